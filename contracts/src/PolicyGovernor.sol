// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Governor } from "@openzeppelin/contracts/governance/Governor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { GovernorCountingSimple } from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import { GovernorSettings } from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import { GovernorTimelockControl } from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import { GovernorVotes } from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {
  GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import { IERC6372 } from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import { IVotes } from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import { Deployed } from "./Deployed.sol";

/// @notice How holders decide. Times in seconds.
/// @param votingDelay Between a proposal and the snapshot of votes.
/// @param executionDelay Between the end of a vote and the first moment it can be executed.
/// @param proposalThreshold Votes it takes to propose, in atomic units of the token.
/// @param quorumPercent Share of the supply that has to take part for a vote to count.
struct VotingRules {
  uint48 votingDelay;
  uint32 votingPeriod;
  uint256 executionDelay;
  uint256 proposalThreshold;
  uint256 quorumPercent;
}

/// @title Holders of the governance token decide what hardware is added
/// @notice OpenZeppelin's Governor, with a timelock of its own that nobody else may propose to and nobody administers:
/// what passes waits, and then anybody executes it.
/// @dev The timelock is created here, by the first CREATE of this contract, because each has to know the other and
/// neither is to have an owner in between.
contract PolicyGovernor is
  Governor,
  GovernorSettings,
  GovernorCountingSimple,
  GovernorVotes,
  GovernorVotesQuorumFraction,
  GovernorTimelockControl,
  Deployed
{
  /// @notice The token has to count time in seconds (ERC-6372): Base's blocks have no fixed length.
  error ClockNotInSeconds(string clockMode);

  constructor(IVotes token_, VotingRules memory rules)
    Governor("HACA Policy Governor")
    GovernorSettings(rules.votingDelay, rules.votingPeriod, rules.proposalThreshold)
    GovernorVotes(token_)
    GovernorVotesQuorumFraction(rules.quorumPercent)
    GovernorTimelockControl(_newTimelock(rules.executionDelay))
  {
    string memory mode = IERC6372(address(token_)).CLOCK_MODE();
    if (keccak256(bytes(mode)) != keccak256("mode=timestamp")) revert ClockNotInSeconds(mode);
  }

  /// @dev Only this contract proposes, anybody executes (the zero address stands for everybody), nobody administers.
  function _newTimelock(uint256 executionDelay) private returns (TimelockController) {
    address[] memory proposers = new address[](1);
    proposers[0] = address(this);
    return new TimelockController(executionDelay, proposers, new address[](1), address(0));
  }

  // ---------------------------------------------------------------- which of two bases

  function state(uint256 proposalId) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
    return super.state(proposalId);
  }

  function proposalNeedsQueuing(uint256 proposalId)
    public
    view
    override(Governor, GovernorTimelockControl)
    returns (bool)
  {
    return super.proposalNeedsQueuing(proposalId);
  }

  function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
    return super.proposalThreshold();
  }

  function _queueOperations(
    uint256 proposalId,
    address[] memory targets,
    uint256[] memory values,
    bytes[] memory calldatas,
    bytes32 descriptionHash
  ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
    return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
  }

  function _executeOperations(
    uint256 proposalId,
    address[] memory targets,
    uint256[] memory values,
    bytes[] memory calldatas,
    bytes32 descriptionHash
  ) internal override(Governor, GovernorTimelockControl) {
    super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
  }

  function _cancel(address[] memory targets, uint256[] memory values, bytes[] memory calldatas, bytes32 descriptionHash)
    internal
    override(Governor, GovernorTimelockControl)
    returns (uint256)
  {
    return super._cancel(targets, values, calldatas, descriptionHash);
  }

  function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
    return super._executor();
  }
}
