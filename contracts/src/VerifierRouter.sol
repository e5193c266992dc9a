// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Deployed } from "./Deployed.sol";
import { Authorities, Governed } from "./Governed.sol";
import { IProofVerifier } from "./interfaces/IProofVerifier.sol";

/// @notice Where proofs with a selector are verified.
/// @param activeAt Unix seconds from which the route is taken.
struct Route {
  IProofVerifier verifier;
  uint64 activeAt;
  bool frozen;
}

/// @title Which verifier a kind of proof goes to
/// @notice A route is added by the admin after a delay, and can be frozen by the guardian, for ever. It never leads
/// anywhere else: a better verifier is another selector. What was accepted before a freeze stays accepted.
/// @dev The pattern of RISC Zero's verifier router (https://github.com/risc0/risc0-ethereum, RiscZeroVerifierRouter and
/// its emergency stop), less its ways to remove a route.
contract VerifierRouter is Governed, Deployed {
  /// @notice Seconds between adding a route and its first proof: time to read the verifier, and to freeze it.
  uint64 public constant ROUTE_DELAY = 2 days;

  mapping(bytes4 selector => Route) private routes;

  event RouteAdded(bytes4 indexed selector, IProofVerifier indexed verifier, uint64 activeAt);
  event RouteFrozen(bytes4 indexed selector, IProofVerifier indexed verifier);

  error SelectorTaken(bytes4 selector);
  error NoCode(IProofVerifier verifier);
  error RouteUnknown(bytes4 selector);
  error RoutePending(bytes4 selector, uint64 activeAt);
  /// @notice Proofs with this selector count no more; prove again for another one.
  error RouteIsFrozen(bytes4 selector);

  /// @param selector The first route, active at once: there is nothing yet that it could endanger.
  constructor(bytes4 selector, IProofVerifier verifier, Authorities memory authorities) Governed(authorities) {
    _assign(GUARDIAN_ROLE, authorities.guardian);
    _add(selector, verifier, uint64(block.timestamp));
  }

  /// @notice Adds a route, active after `ROUTE_DELAY`.
  function addRoute(bytes4 selector, IProofVerifier verifier) external onlyRole(DEFAULT_ADMIN_ROLE) {
    _add(selector, verifier, uint64(block.timestamp) + ROUTE_DELAY);
  }

  /// @notice Closes a route for ever, active or not.
  function freezeRoute(bytes4 selector) external onlyRole(GUARDIAN_ROLE) {
    Route storage route = routes[selector];
    if (address(route.verifier) == address(0)) revert RouteUnknown(selector);
    if (route.frozen) revert RouteIsFrozen(selector);
    route.frozen = true;
    emit RouteFrozen(selector, route.verifier);
  }

  /// @notice The verifier of a selector; reverts unless its route is open.
  function verifierOf(bytes4 selector) external view returns (IProofVerifier) {
    Route memory route = routes[selector];
    if (address(route.verifier) == address(0)) revert RouteUnknown(selector);
    if (route.frozen) revert RouteIsFrozen(selector);
    if (block.timestamp < route.activeAt) revert RoutePending(selector, route.activeAt);
    return route.verifier;
  }

  /// @notice A route as it is; all zero if there is none.
  function routeOf(bytes4 selector) external view returns (Route memory) {
    return routes[selector];
  }

  function _add(bytes4 selector, IProofVerifier verifier, uint64 activeAt) private {
    if (address(routes[selector].verifier) != address(0)) revert SelectorTaken(selector);
    if (address(verifier).code.length == 0) revert NoCode(verifier);
    routes[selector] = Route(verifier, activeAt, false);
    emit RouteAdded(selector, verifier, activeAt);
  }
}
