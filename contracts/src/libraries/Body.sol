// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Salted hashes of what was asked and answered (design section 6)
/// @dev No contract needs the bodies themselves; this is the reference the vectors hold Solidity to.
library Body {
  /// @param bodyHash SHA-256 of the caller's raw body.
  function requestHash(bytes32 salt, bytes32 bodyHash) internal pure returns (bytes32) {
    return sha256(abi.encodePacked("req/1", salt, bodyHash));
  }

  /// @param bodyHash SHA-256 of the rendered answer, or the last link of its stream.
  function outputHash(bytes32 salt, bytes32 bodyHash) internal pure returns (bytes32) {
    return sha256(abi.encodePacked("out/1", salt, bodyHash));
  }

  /// @notice The link before the first chunk of a stream.
  function streamStart() internal pure returns (bytes32) {
    return sha256("sse/1");
  }

  /// @param chunk Shorter than 2^32 bytes.
  function streamNext(bytes32 link, bytes memory chunk) internal pure returns (bytes32) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return sha256(abi.encodePacked(link, uint32(chunk.length), chunk));
  }
}
