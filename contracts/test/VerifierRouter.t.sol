// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { Groth16Verifier } from "../src/Groth16Verifier.sol";
import { Route, VerifierRouter } from "../src/VerifierRouter.sol";
import { IProofVerifier } from "../src/interfaces/IProofVerifier.sol";
import { Fixture } from "./support/Fixture.sol";

contract VerifierRouterTest is Fixture {
  bytes4 private constant NEXT = 0x00000002;

  Groth16Verifier private better;

  function setUp() public override {
    super.setUp();
    better = _newGroth16Verifier(keys);
  }

  function test_the_first_route_is_open_from_the_start() public view {
    vm.assertEq(address(router.verifierOf(GROTH16)), address(verifier), "verifier");
  }

  function test_a_route_opens_two_days_after_the_admin_added_it() public {
    vm.expectEmit(address(router));
    emit VerifierRouter.RouteAdded(NEXT, better, NOW + 2 days);
    vm.prank(ADMIN);
    router.addRoute(NEXT, better);
    vm.warp(NOW + 2 days - 1);
    vm.expectRevert(abi.encodeWithSelector(VerifierRouter.RoutePending.selector, NEXT, NOW + 2 days));
    router.verifierOf(NEXT);
    vm.warp(NOW + 2 days);
    vm.assertEq(address(router.verifierOf(NEXT)), address(better), "verifier");
    Route memory route = router.routeOf(NEXT);
    vm.assertEq(route.activeAt, NOW + 2 days, "activeAt");
    vm.assertFalse(route.frozen, "frozen");
  }

  function test_a_frozen_route_stays_frozen_and_its_selector_taken() public {
    vm.expectEmit(address(router));
    emit VerifierRouter.RouteFrozen(GROTH16, verifier);
    vm.prank(GUARDIAN);
    router.freezeRoute(GROTH16);
    bytes memory frozen = abi.encodeWithSelector(VerifierRouter.RouteIsFrozen.selector, GROTH16);
    vm.expectRevert(frozen);
    router.verifierOf(GROTH16);
    vm.expectRevert(frozen);
    vm.prank(GUARDIAN);
    router.freezeRoute(GROTH16);
    vm.expectRevert(abi.encodeWithSelector(VerifierRouter.SelectorTaken.selector, GROTH16));
    vm.prank(ADMIN);
    router.addRoute(GROTH16, better);
    vm.warp(NOW + 365 days);
    vm.expectRevert(frozen);
    router.verifierOf(GROTH16);
    vm.assertTrue(router.routeOf(GROTH16).frozen, "frozen");
  }

  function test_a_route_is_never_repointed() public {
    vm.startPrank(ADMIN);
    router.addRoute(NEXT, better);
    bytes4[2] memory taken = [GROTH16, NEXT];
    for (uint256 i = 0; i < 2; ++i) {
      vm.expectRevert(abi.encodeWithSelector(VerifierRouter.SelectorTaken.selector, taken[i]));
      router.addRoute(taken[i], better);
    }
  }

  function test_the_guardian_stops_a_route_before_it_opens() public {
    vm.prank(ADMIN);
    router.addRoute(NEXT, better);
    vm.prank(GUARDIAN);
    router.freezeRoute(NEXT);
    vm.warp(NOW + 2 days);
    vm.expectRevert(abi.encodeWithSelector(VerifierRouter.RouteIsFrozen.selector, NEXT));
    router.verifierOf(NEXT);
  }

  function test_the_admin_adds_and_the_guardian_freezes_and_nobody_else() public {
    address[4] memory others = [GUARDIAN, SETTLER, REGISTRAR, STRANGER];
    for (uint256 i = 0; i < 4; ++i) {
      vm.expectRevert(
        abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], bytes32(0))
      );
      vm.prank(others[i]);
      router.addRoute(NEXT, better);
    }
    bytes32 role = router.GUARDIAN_ROLE();
    others[0] = ADMIN;
    for (uint256 i = 0; i < 4; ++i) {
      vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], role));
      vm.prank(others[i]);
      router.freezeRoute(GROTH16);
    }
  }

  function test_refuses_routes_to_nowhere_and_from_nowhere() public {
    vm.expectRevert(abi.encodeWithSelector(VerifierRouter.NoCode.selector, STRANGER));
    vm.prank(ADMIN);
    router.addRoute(NEXT, IProofVerifier(STRANGER));
    bytes memory unknown = abi.encodeWithSelector(VerifierRouter.RouteUnknown.selector, NEXT);
    vm.expectRevert(unknown);
    router.verifierOf(NEXT);
    vm.expectRevert(unknown);
    vm.prank(GUARDIAN);
    router.freezeRoute(NEXT);
    vm.assertEq(address(router.routeOf(NEXT).verifier), address(0), "none");
  }
}
