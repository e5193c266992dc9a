// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { Authorization, RevenueVault } from "./RevenueVault.sol";

/// @notice What became of one item.
enum Outcome {
  /// Moved and credited by this call.
  Collected,
  /// Somebody had collected it before: the payment is safe in the vault.
  AlreadyCredited,
  /// The token or the vault refused, see `PaymentRejected`.
  Rejected
}

/// @title Collects many payments in one transaction
/// @notice Anybody may call; one bad payment does not stop the others. Holds no money and no role.
/// @dev A `try` that runs out of gas looks like a refusal (EIP-150: a call gets at most 63/64 of what is left), and
/// `eth_estimateGas` finds exactly such a limit. So every item is given the same stated gas or the whole
/// transaction reverts, and what an item does with that gas is its own doing.
contract PaymentBatcher is Deployed {
  /// @notice Most items in a call. 200 accounts' payments take 16.0 of the 16.78 million gas a transaction may hold
  /// (EIP-7825); contract wallets cost more, so a caller with many of them sends fewer.
  uint256 public constant MAX_ITEMS = 200;
  /// @notice Gas each item is given: twice what an account's payment needs, so that a contract wallet can check a
  /// passkey, and a wallet that burns gas cannot burn the batch.
  uint256 public constant ITEM_GAS = 200_000;
  /// @notice Gas that has to be left before each item: `ITEM_GAS` as 63/64, and the bookkeeping after it.
  uint256 public constant ITEM_GAS_REQUIRED = (ITEM_GAS * 64) / 63 + 30_000;

  uint256 private constant REASON_BYTES_MAX = 256;

  RevenueVault public immutable vault;

  /// @param reason Revert data of the refusal, at most its first 256 bytes; empty if the item used up its gas.
  event PaymentRejected(bytes32 indexed paymentId, address indexed payer, bytes reason);

  error ItemCountInvalid(uint256 count);
  /// @notice Send at least `required` gas more for each remaining item.
  error GasTooLow(uint256 index, uint256 left, uint256 required);

  constructor(RevenueVault vault_) {
    vault = vault_;
  }

  /// @notice Collects each payment into the vault.
  /// @return outcomes One per item, in order.
  function settle(address token, Authorization[] calldata items) external returns (Outcome[] memory outcomes) {
    if (items.length == 0 || items.length > MAX_ITEMS) revert ItemCountInvalid(items.length);
    outcomes = new Outcome[](items.length);
    for (uint256 i = 0; i < items.length; ++i) {
      if (gasleft() < ITEM_GAS_REQUIRED) revert GasTooLow(i, gasleft(), ITEM_GAS_REQUIRED);
      outcomes[i] = _collect(token, items[i]);
    }
  }

  function _collect(address token, Authorization calldata item) private returns (Outcome) {
    try vault.collect{ gas: ITEM_GAS }(token, item) {
      return Outcome.Collected;
    } catch (bytes memory reason) {
      // A selector is the first four bytes, by definition.
      // forge-lint: disable-next-line(unsafe-typecast)
      if (bytes4(reason) == RevenueVault.AlreadyCredited.selector) return Outcome.AlreadyCredited;
      emit PaymentRejected(vault.paymentIdOf(token, item.from, item.nonce), item.from, _short(reason));
      return Outcome.Rejected;
    }
  }

  function _short(bytes memory reason) private pure returns (bytes memory) {
    if (reason.length > REASON_BYTES_MAX) {
      assembly ("memory-safe") {
        mstore(reason, REASON_BYTES_MAX)
      }
    }
    return reason;
  }
}
