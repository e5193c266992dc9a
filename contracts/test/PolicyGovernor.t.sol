// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { IGovernor } from "@openzeppelin/contracts/governance/IGovernor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { IVotes } from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import { PolicyGovernor, VotingRules } from "../src/PolicyGovernor.sol";
import { EntryKind, PolicyRegistry } from "../src/PolicyRegistry.sol";
import { LocalOpg } from "../src/local/LocalOpg.sol";
import { Fixture } from "./support/Fixture.sol";

/// @notice A token that counts blocks, as ERC-6372's default does.
contract BlockClockToken {
  // solhint-disable-next-line func-name-mixedcase
  function CLOCK_MODE() external pure returns (string memory) {
    return "mode=blocknumber&from=default";
  }

  function clock() external view returns (uint48) {
    return uint48(block.number);
  }
}

/// @notice Votes from proposal to effect, as holders would cast them.
contract PolicyGovernorTest is Fixture {
  address private constant WHALE = address(0x1111);
  address private constant MINNOW = address(0x2222);
  address private constant HOLDER = address(0x3333);

  LocalOpg private opg;
  PolicyGovernor private governor;
  TimelockController private timelock;
  PolicyRegistry private policies;

  function setUp() public override {
    super.setUp();
    opg = _newLocalOpg(HOLDER);
    governor = _newPolicyGovernor(opg, _rules());
    timelock = TimelockController(payable(governor.timelock()));
    policies = _newPolicyRegistry(false, timelock, _authorities());
    vm.startPrank(HOLDER);
    // 4 per cent of 1,000,000,000 are a quorum.
    opg.transfer(WHALE, 40_000_000e18);
    opg.transfer(MINNOW, 39_999_999e18);
    vm.stopPrank();
    vm.prank(WHALE);
    opg.delegate(WHALE);
    vm.prank(MINNOW);
    opg.delegate(MINNOW);
    vm.warp(NOW + 1);
  }

  function test_a_vote_adds_hardware_after_the_delay_and_whoever_likes_executes() public {
    (address[] memory to, uint256[] memory none, bytes[] memory data) = _adoption(42);
    uint256 id = _passed(to, none, data);
    governor.queue(to, none, data, keccak256("why"));
    vm.assertTrue(governor.state(id) == IGovernor.ProposalState.Queued, "queued");
    vm.warp(block.timestamp + 2 days - 1);
    vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
    governor.execute(to, none, data, keccak256("why"));
    vm.assertEq(policies.epoch(), 0, "not yet");
    vm.warp(block.timestamp + 1);
    vm.prank(STRANGER);
    governor.execute(to, none, data, keccak256("why"));
    vm.assertEq(policies.epoch(), 42, "in force");
    vm.assertTrue(governor.state(id) == IGovernor.ProposalState.Executed, "executed");
  }

  function test_a_vote_takes_a_removal_back() public {
    vm.prank(GUARDIAN);
    policies.remove(EntryKind.Hardware, "tdx", "TEE.fail");
    (address[] memory to, uint256[] memory none, bytes[] memory data) =
      _call(abi.encodeCall(policies.restore, (EntryKind.Hardware, keccak256("tdx"))));
    _enact(to, none, data);
    vm.assertFalse(policies.isRemoved(EntryKind.Hardware, keccak256("tdx")), "restored");
  }

  function test_a_guardian_takes_out_what_a_vote_put_in_without_waiting() public {
    (address[] memory to, uint256[] memory none, bytes[] memory data) = _adoption(42);
    _enact(to, none, data);
    vm.prank(GUARDIAN);
    policies.remove(EntryKind.Hardware, "tdx", "TEE.fail");
    vm.assertEq(policies.epoch(), 43, "at once");
  }

  function test_a_vote_without_quorum_adds_nothing() public {
    (address[] memory to, uint256[] memory none, bytes[] memory data) = _adoption(42);
    uint256 id = _proposed(to, none, data);
    vm.prank(MINNOW);
    governor.castVote(id, 1);
    vm.warp(block.timestamp + 5 days + 1);
    vm.assertTrue(governor.state(id) == IGovernor.ProposalState.Defeated, "defeated");
    vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
    governor.queue(to, none, data, keccak256("why"));
  }

  function test_a_vote_against_adds_nothing() public {
    (address[] memory to, uint256[] memory none, bytes[] memory data) = _adoption(42);
    uint256 id = _proposed(to, none, data);
    vm.prank(MINNOW);
    governor.castVote(id, 1);
    vm.prank(WHALE);
    governor.castVote(id, 0);
    vm.warp(block.timestamp + 5 days + 1);
    vm.assertTrue(governor.state(id) == IGovernor.ProposalState.Defeated, "defeated");
  }

  function test_tokens_bought_after_the_snapshot_do_not_vote() public {
    (address[] memory to, uint256[] memory none, bytes[] memory data) = _adoption(42);
    uint256 id = _proposed(to, none, data);
    vm.prank(WHALE);
    opg.transfer(STRANGER, 40_000_000e18);
    vm.prank(STRANGER);
    opg.delegate(STRANGER);
    vm.prank(STRANGER);
    vm.assertEq(governor.castVote(id, 1), 0, "no weight");
  }

  function test_it_takes_a_threshold_to_propose() public {
    (address[] memory to, uint256[] memory none, bytes[] memory data) = _adoption(42);
    vm.expectRevert(
      abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, STRANGER, 0, 100_000e18)
    );
    vm.prank(STRANGER);
    governor.propose(to, none, data, "why");
  }

  function test_nobody_else_proposes_to_the_timelock_and_nobody_administers_it() public {
    vm.assertTrue(timelock.hasRole(timelock.PROPOSER_ROLE(), address(governor)), "the governor proposes");
    vm.assertTrue(timelock.hasRole(timelock.EXECUTOR_ROLE(), address(0)), "everybody executes");
    address[5] memory others = [ADMIN, GUARDIAN, WHALE, address(this), address(policies)];
    bytes memory data = abi.encodeCall(policies.adopt, (42, keccak256("d"), keccak256("e"), NOW, 2));
    for (uint256 i = 0; i < 5; ++i) {
      vm.assertFalse(timelock.hasRole(0, others[i]), "no admin");
      vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
      vm.prank(others[i]);
      timelock.schedule(address(policies), 0, data, 0, 0, 2 days);
    }
    vm.assertTrue(timelock.hasRole(0, address(timelock)), "but itself");
    vm.assertFalse(timelock.hasRole(0, address(governor)), "nor the governor");
  }

  function test_the_timelock_is_the_first_thing_the_governor_creates() public view {
    // keccak256(rlp([address, 1])), by EIP-161 a contract's first nonce.
    bytes32 hash = keccak256(bytes.concat(hex"d694", bytes20(address(governor)), hex"01"));
    vm.assertEq(address(timelock), address(uint160(uint256(hash))), "CREATE, nonce 1");
    vm.assertEq(timelock.getMinDelay(), 2 days, "delay");
  }

  function test_refuses_a_token_that_counts_blocks() public {
    BlockClockToken token = new BlockClockToken();
    vm.expectRevert(abi.encodeWithSelector(PolicyGovernor.ClockNotInSeconds.selector, "mode=blocknumber&from=default"));
    _newPolicyGovernor(IVotes(address(token)), _rules());
  }

  function test_the_local_token_says_that_it_is_one() public view {
    vm.assertEq(opg.name(), "Local test token, not OPG", "name");
    vm.assertEq(opg.totalSupply(), 1_000_000_000e18, "supply");
    vm.assertEq(governor.CLOCK_MODE(), "mode=timestamp", "clock");
    vm.assertEq(governor.quorum(NOW), 40_000_000e18, "quorum");
    vm.assertEq(opg.nonces(WHALE), 0, "permits");
  }

  // ---------------------------------------------------------------- inside

  function _rules() private pure returns (VotingRules memory) {
    return VotingRules({
      votingDelay: 1 days, votingPeriod: 5 days, executionDelay: 2 days, proposalThreshold: 100_000e18, quorumPercent: 4
    });
  }

  function _adoption(uint64 number) private view returns (address[] memory, uint256[] memory, bytes[] memory) {
    return _call(abi.encodeCall(policies.adopt, (number, keccak256("document"), keccak256("envelope"), NOW, 14)));
  }

  function _call(bytes memory encoded)
    private
    view
    returns (address[] memory to, uint256[] memory none, bytes[] memory data)
  {
    (to, none, data) = (new address[](1), new uint256[](1), new bytes[](1));
    (to[0], data[0]) = (address(policies), encoded);
  }

  /// @dev Up to the first second of voting.
  function _proposed(address[] memory to, uint256[] memory none, bytes[] memory data) private returns (uint256 id) {
    vm.prank(WHALE);
    id = governor.propose(to, none, data, "why");
    vm.warp(block.timestamp + 1 days + 1);
  }

  function _passed(address[] memory to, uint256[] memory none, bytes[] memory data) private returns (uint256 id) {
    id = _proposed(to, none, data);
    vm.prank(WHALE);
    governor.castVote(id, 1);
    vm.warp(block.timestamp + 5 days + 1);
  }

  function _enact(address[] memory to, uint256[] memory none, bytes[] memory data) private {
    _passed(to, none, data);
    governor.queue(to, none, data, keccak256("why"));
    vm.warp(block.timestamp + 2 days);
    governor.execute(to, none, data, keccak256("why"));
  }
}
