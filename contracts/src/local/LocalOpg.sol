// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import { ERC20Votes } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import { Nonces } from "@openzeppelin/contracts/utils/Nonces.sol";
import { Time } from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title A test token for voting on local chains: worthless, and not OPG
/// @notice The whole supply, as large as OPG's, goes to one account on creation.
/// @dev ERC-5805 votes that count time in seconds (ERC-6372). Deployed only where simulated hardware is allowed.
contract LocalOpg is ERC20, ERC20Permit, ERC20Votes {
  constructor(address holder) ERC20("Local test token, not OPG", "OPG") ERC20Permit("Local test token, not OPG") {
    _mint(holder, 1_000_000_000e18);
  }

  function clock() public view override returns (uint48) {
    return Time.timestamp();
  }

  // solhint-disable-next-line func-name-mixedcase
  function CLOCK_MODE() public pure override returns (string memory) {
    return "mode=timestamp";
  }

  function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
    return super.nonces(owner);
  }

  function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
    super._update(from, to, value);
  }
}
