// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title LOCAL DOUBLE of USDC's proxy: for local chains and tests only, never USDC
/// @notice Delegates everything to an implementation that an admin may replace. Written here from the behaviour of
/// Circle's FiatTokenProxy (https://github.com/circlefin/stablecoin-evm, contracts/v1/FiatTokenProxy.sol): same
/// storage slots, same two reads before every call, so that gas on a local chain is honest.
/// @dev The only delegatecall in this package.
contract UsdcDoubleProxy {
  /// @dev keccak256("org.zeppelinos.proxy.implementation"); older than, and different from, ERC-1967.
  bytes32 private constant IMPLEMENTATION_SLOT = 0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3;
  /// @dev keccak256("org.zeppelinos.proxy.admin")
  bytes32 private constant ADMIN_SLOT = 0x10d6a54a4754c8869d6886b5f5d7fbfa5b4522237ea5c60d11bc4e7a1ff9390b;

  event Upgraded(address implementation);
  event AdminChanged(address previousAdmin, address newAdmin);

  constructor(address implementation_, address admin_) {
    _store(IMPLEMENTATION_SLOT, implementation_);
    _store(ADMIN_SLOT, admin_);
  }

  function admin() external view returns (address) {
    return _load(ADMIN_SLOT);
  }

  function implementation() external view returns (address) {
    return _load(IMPLEMENTATION_SLOT);
  }

  function changeAdmin(address newAdmin) external {
    if (msg.sender != _load(ADMIN_SLOT)) return _delegate();
    require(newAdmin != address(0), "Cannot change the admin of a proxy to the zero address");
    emit AdminChanged(_load(ADMIN_SLOT), newAdmin);
    _store(ADMIN_SLOT, newAdmin);
  }

  function upgradeTo(address newImplementation) external {
    if (msg.sender != _load(ADMIN_SLOT)) return _delegate();
    require(newImplementation.code.length != 0, "Cannot set a proxy implementation to a non-contract address");
    _store(IMPLEMENTATION_SLOT, newImplementation);
    emit Upgraded(newImplementation);
  }

  fallback() external payable {
    _delegate();
  }

  receive() external payable {
    _delegate();
  }

  function _delegate() private {
    require(msg.sender != _load(ADMIN_SLOT), "Cannot call fallback function from the proxy admin");
    address target = _load(IMPLEMENTATION_SLOT);
    assembly {
      calldatacopy(0, 0, calldatasize())
      let success := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
      returndatacopy(0, 0, returndatasize())
      if iszero(success) { revert(0, returndatasize()) }
      return(0, returndatasize())
    }
  }

  function _load(bytes32 slot) private view returns (address value) {
    assembly ("memory-safe") {
      value := sload(slot)
    }
  }

  function _store(bytes32 slot, address value) private {
    assembly ("memory-safe") {
      sstore(slot, value)
    }
  }
}
