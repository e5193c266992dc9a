// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A contract wallet of one key: its signatures carry a byte in front, so they are not 65 bytes long.
contract OneKeyWallet {
  address private immutable signer;

  constructor(address signer_) {
    signer = signer_;
  }

  function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
    if (signature.length != 66 || signature[0] != 0x01) return 0xffffffff;
    bytes32 r = bytes32(signature[1:33]);
    bytes32 s = bytes32(signature[33:65]);
    return ecrecover(digest, uint8(signature[65]), r, s) == signer ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
  }
}

/// @notice A wallet that burns all the gas it is given.
contract BurningWallet {
  function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
    while (true) { }
    return 0x1626ba7e;
  }
}
