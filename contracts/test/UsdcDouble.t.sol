// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { UsdcDouble } from "../src/local/UsdcDouble.sol";
import { UsdcDoubleProxy } from "../src/local/UsdcDoubleProxy.sol";
import { Fixture } from "./support/Fixture.sol";
import { OneKeyWallet } from "./support/Wallets.sol";

/// @notice The double against the EIPs and against what FiatToken v2.2 does; reasons are FiatToken's, word for word.
contract UsdcDoubleTest is Fixture {
  bytes32 private constant RECEIVE_TYPEHASH = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
  );
  bytes32 private constant CANCEL_TYPEHASH = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
  bytes32 private constant PERMIT_TYPEHASH =
    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

  event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
  event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
  event Transfer(address indexed from, address indexed to, uint256 value);

  function test_type_hashes_are_those_of_the_eips() public view {
    // The values EIP-3009 and EIP-2612 state, as Circle's sources repeat them.
    vm.assertEq(
      usdc.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(),
      0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267,
      "transfer"
    );
    vm.assertEq(
      usdc.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(),
      0xd099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8,
      "receive"
    );
    vm.assertEq(
      usdc.CANCEL_AUTHORIZATION_TYPEHASH(), 0x158b0a9edf7a828aad02f63cd515c68ef2f50ba807396f6d12842833a1597429, "cancel"
    );
    vm.assertEq(usdc.PERMIT_TYPEHASH(), 0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9, "permit");
  }

  function test_is_called_usdc_version_2_with_six_decimals_and_binds_chain_and_contract() public {
    vm.assertEq(usdc.symbol(), "USDC", "symbol");
    vm.assertEq(usdc.version(), "2", "version");
    vm.assertEq(uint256(usdc.decimals()), 6, "decimals");
    vm.assertEq(usdc.DOMAIN_SEPARATOR(), _domain("USDC", CHAIN_ID), "domain");
    vm.chainId(8453);
    vm.assertEq(usdc.DOMAIN_SEPARATOR(), _domain("USDC", 8453), "follows the chain id");
    usdc = _newUsdc("USD Coin", TOKEN_AUTHORITY);
    vm.assertEq(usdc.DOMAIN_SEPARATOR(), _domain("USD Coin", 8453), "Base");
  }

  function test_transfers_by_authorisation_in_both_forms_once() public {
    bytes32 digest = _authorizationDigest(payer, STRANGER, 10, 0, NOW + 1, "n");
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
    vm.assertFalse(usdc.authorizationState(payer, "n"), "unused");
    vm.expectEmit(address(usdc));
    emit AuthorizationUsed(payer, "n");
    vm.expectEmit(address(usdc));
    emit Transfer(payer, STRANGER, 10);
    usdc.transferWithAuthorization(payer, STRANGER, 10, 0, NOW + 1, "n", v, r, s);
    vm.assertTrue(usdc.authorizationState(payer, "n"), "used");
    vm.expectRevert("FiatTokenV2: authorization is used or canceled");
    usdc.transferWithAuthorization(payer, STRANGER, 10, 0, NOW + 1, "n", bytes.concat(r, s, bytes1(v)));

    bytes memory signature = _sign(PAYER_KEY, _authorizationDigest(payer, STRANGER, 5, 0, NOW + 1, "m"));
    usdc.transferWithAuthorization(payer, STRANGER, 5, 0, NOW + 1, "m", signature);
    vm.assertEq(usdc.balanceOf(STRANGER), 15, "received");
  }

  function test_the_window_of_an_authorisation_is_open_at_both_ends() public {
    bytes memory signature = _sign(PAYER_KEY, _authorizationDigest(payer, STRANGER, 1, NOW, NOW + 2, "n"));
    vm.expectRevert("FiatTokenV2: authorization is not yet valid");
    usdc.transferWithAuthorization(payer, STRANGER, 1, NOW, NOW + 2, "n", signature);
    vm.warp(NOW + 2);
    vm.expectRevert("FiatTokenV2: authorization is expired");
    usdc.transferWithAuthorization(payer, STRANGER, 1, NOW, NOW + 2, "n", signature);
    vm.warp(NOW + 1);
    usdc.transferWithAuthorization(payer, STRANGER, 1, NOW, NOW + 2, "n", signature);
  }

  function test_refuses_wrong_signatures_for_the_reasons_of_fiat_token() public {
    bytes32 digest = _authorizationDigest(payer, STRANGER, 1, 0, NOW + 1, "n");
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
    bytes32 highS = bytes32(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - uint256(s));
    vm.expectRevert("ECRecover: invalid signature 's' value");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", v, r, highS);
    vm.expectRevert("ECRecover: invalid signature 'v' value");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", v - 27, r, s);
    vm.expectRevert("ECRecover: invalid signature length");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", bytes.concat(r, s));
    vm.expectRevert("ECRecover: invalid signature");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", 27, 0, 0);
    vm.expectRevert("FiatTokenV2: invalid signature");
    usdc.transferWithAuthorization(payer, STRANGER, 2, 0, NOW + 1, "n", v, r, s);
  }

  function test_only_the_payee_receives_by_authorisation() public {
    bytes32 structHash = keccak256(abi.encode(RECEIVE_TYPEHASH, payer, STRANGER, 7, 0, NOW + 1, bytes32("n")));
    bytes memory signature = _signTyped(structHash);
    vm.expectRevert("FiatTokenV2: caller must be the payee");
    usdc.receiveWithAuthorization(payer, STRANGER, 7, 0, NOW + 1, "n", signature);
    vm.prank(STRANGER);
    usdc.receiveWithAuthorization(payer, STRANGER, 7, 0, NOW + 1, "n", signature);
    vm.assertEq(usdc.balanceOf(STRANGER), 7, "received");

    structHash = keccak256(abi.encode(RECEIVE_TYPEHASH, payer, STRANGER, 7, 0, NOW + 1, bytes32("m")));
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, _typed(structHash));
    vm.prank(STRANGER);
    usdc.receiveWithAuthorization(payer, STRANGER, 7, 0, NOW + 1, "m", v, r, s);
    vm.assertEq(usdc.balanceOf(STRANGER), 14, "received again");
  }

  function test_a_cancelled_authorisation_cannot_be_used_and_looks_used() public {
    (uint8 v, bytes32 r, bytes32 s) =
      vm.sign(PAYER_KEY, _typed(keccak256(abi.encode(CANCEL_TYPEHASH, payer, bytes32("n")))));
    vm.expectEmit(address(usdc));
    emit AuthorizationCanceled(payer, "n");
    usdc.cancelAuthorization(payer, "n", v, r, s);
    vm.assertTrue(usdc.authorizationState(payer, "n"), "state");
    bytes memory transfer = _sign(PAYER_KEY, _authorizationDigest(payer, STRANGER, 1, 0, NOW + 1, "n"));
    vm.expectRevert("FiatTokenV2: authorization is used or canceled");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", transfer);
    vm.expectRevert("FiatTokenV2: authorization is used or canceled");
    usdc.cancelAuthorization(payer, "n", v, r, s);
  }

  function test_contract_wallets_sign_by_erc_1271_also_with_65_bytes_through_v_r_s() public {
    address wallet = address(new OneKeyWallet(payer));
    _mint(wallet, 10);
    bytes32 digest = _authorizationDigest(wallet, STRANGER, 4, 0, NOW + 1, "n");
    bytes memory signature = bytes.concat(hex"01", _sign(PAYER_KEY, digest));
    usdc.transferWithAuthorization(wallet, STRANGER, 4, 0, NOW + 1, "n", signature);
    vm.assertEq(usdc.balanceOf(STRANGER), 4, "received");
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
    vm.expectRevert("FiatTokenV2: invalid signature");
    usdc.transferWithAuthorization(wallet, STRANGER, 4, 0, NOW + 1, "m", v, r, s);
  }

  function test_permits_spending_in_both_forms_in_order_of_nonces() public {
    bytes32 first = keccak256(abi.encode(PERMIT_TYPEHASH, payer, STRANGER, 50, 0, NOW));
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, _typed(first));
    usdc.permit(payer, STRANGER, 50, NOW, v, r, s);
    vm.assertEq(usdc.allowance(payer, STRANGER), 50, "allowance");
    vm.assertEq(usdc.nonces(payer), 1, "nonce");
    vm.expectRevert("EIP2612: invalid signature");
    usdc.permit(payer, STRANGER, 50, NOW, v, r, s);
    bytes memory signature =
      _signTyped(keccak256(abi.encode(PERMIT_TYPEHASH, payer, STRANGER, 9, 1, type(uint256).max)));
    usdc.permit(payer, STRANGER, 9, type(uint256).max, signature);
    vm.assertEq(usdc.allowance(payer, STRANGER), 9, "allowance again");
    vm.expectRevert("FiatTokenV2: permit is expired");
    usdc.permit(payer, STRANGER, 9, NOW - 1, signature);
  }

  function test_transfers_and_allowances() public {
    vm.startPrank(payer);
    usdc.transfer(STRANGER, 3);
    usdc.approve(OPERATOR, 5);
    vm.stopPrank();
    vm.startPrank(OPERATOR);
    usdc.transferFrom(payer, STRANGER, 4);
    vm.assertEq(usdc.allowance(payer, OPERATOR), 1, "left");
    vm.expectRevert("ERC20: transfer amount exceeds allowance");
    usdc.transferFrom(payer, STRANGER, 2);
    vm.expectRevert("ERC20: transfer amount exceeds balance");
    usdc.transfer(STRANGER, 1);
    vm.stopPrank();
    vm.assertEq(usdc.balanceOf(STRANGER), 7, "received");
    vm.startPrank(payer);
    usdc.increaseAllowance(OPERATOR, 9);
    usdc.decreaseAllowance(OPERATOR, 4);
    vm.assertEq(usdc.allowance(payer, OPERATOR), 6, "1 + 9 - 4");
    vm.expectRevert("ERC20: decreased allowance below zero");
    usdc.decreaseAllowance(OPERATOR, 7);
    vm.expectRevert("Blacklistable: account is blacklisted");
    usdc.transfer(address(usdc), 1);
    vm.stopPrank();
    vm.expectRevert("ERC20: transfer to the zero address");
    vm.prank(payer);
    usdc.transfer(address(0), 1);
  }

  function test_a_blacklisted_account_keeps_its_balance_and_cannot_move_it() public {
    uint256 balance = usdc.balanceOf(payer);
    vm.expectRevert("Blacklistable: caller is not the blacklister");
    usdc.blacklist(payer);
    vm.prank(TOKEN_AUTHORITY);
    usdc.blacklist(payer);
    vm.assertTrue(usdc.isBlacklisted(payer), "blacklisted");
    vm.assertEq(usdc.balanceOf(payer), balance, "the flag is not part of the balance");
    bytes memory signature = _sign(PAYER_KEY, _authorizationDigest(payer, STRANGER, 1, 0, NOW + 1, "n"));
    vm.expectRevert("Blacklistable: account is blacklisted");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", signature);
    vm.expectRevert("Blacklistable: account is blacklisted");
    vm.prank(payer);
    usdc.transfer(STRANGER, 1);
    vm.prank(payer);
    usdc.approve(STRANGER, 5);
    vm.assertEq(usdc.allowance(payer, STRANGER), 5, "may approve");
    vm.expectRevert("Blacklistable: account is blacklisted");
    vm.prank(STRANGER);
    usdc.transferFrom(payer, STRANGER, 5);
    vm.prank(TOKEN_AUTHORITY);
    usdc.unBlacklist(payer);
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", signature);
    vm.assertEq(usdc.balanceOf(payer), balance - 1, "moved");
  }

  function test_nothing_moves_while_paused() public {
    vm.expectRevert("Pausable: caller is not the pauser");
    usdc.pause();
    vm.prank(TOKEN_AUTHORITY);
    usdc.pause();
    bytes memory signature = _sign(PAYER_KEY, _authorizationDigest(payer, STRANGER, 1, 0, NOW + 1, "n"));
    vm.expectRevert("Pausable: paused");
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", signature);
    vm.prank(TOKEN_AUTHORITY);
    usdc.unpause();
    usdc.transferWithAuthorization(payer, STRANGER, 1, 0, NOW + 1, "n", signature);
  }

  function test_minters_mint_up_to_their_allowance() public {
    vm.expectRevert("FiatToken: caller is not the masterMinter");
    usdc.configureMinter(STRANGER, 10);
    vm.expectRevert("FiatToken: caller is not a minter");
    usdc.mint(STRANGER, 1);
    vm.prank(TOKEN_AUTHORITY);
    usdc.configureMinter(STRANGER, 10);
    uint256 supply = usdc.totalSupply();
    vm.startPrank(STRANGER);
    usdc.mint(OPERATOR, 10);
    vm.expectRevert("FiatToken: mint amount exceeds minterAllowance");
    usdc.mint(OPERATOR, 1);
    vm.assertEq(usdc.totalSupply(), supply + 10, "supply");
    vm.assertEq(usdc.balanceOf(OPERATOR), 10, "balance");
  }

  function test_is_initialized_once() public {
    vm.expectRevert("FiatToken: contract is already initialized");
    usdc.initialize("Other", STRANGER);
  }

  function test_the_proxy_admin_upgrades_and_cannot_use_the_token() public {
    UsdcDoubleProxy proxy = UsdcDoubleProxy(payable(address(usdc)));
    address implementation = proxy.implementation();
    vm.assertEq(proxy.admin(), PROXY_ADMIN, "admin");
    vm.expectRevert("Cannot call fallback function from the proxy admin");
    vm.prank(PROXY_ADMIN);
    usdc.balanceOf(payer);
    vm.startPrank(PROXY_ADMIN);
    vm.expectRevert("Cannot set a proxy implementation to a non-contract address");
    proxy.upgradeTo(STRANGER);
    proxy.upgradeTo(address(new UsdcDouble()));
    vm.assertTrue(proxy.implementation() != implementation, "upgraded");
    proxy.changeAdmin(STRANGER);
    vm.stopPrank();
    vm.assertEq(proxy.admin(), STRANGER, "new admin");
    vm.assertEq(usdc.balanceOf(payer), 1_000_000e6, "state stays");
    // For anybody else these are calls to the token, which has no such functions.
    (bool ok,) = address(proxy).call(abi.encodeCall(UsdcDoubleProxy.upgradeTo, (implementation)));
    vm.assertFalse(ok, "not for others");
  }

  function _domain(string memory name, uint256 chainId) private view returns (bytes32) {
    return keccak256(
      abi.encode(
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak256(bytes(name)),
        keccak256("2"),
        chainId,
        address(usdc)
      )
    );
  }

  function _typed(bytes32 structHash) private view returns (bytes32) {
    return keccak256(bytes.concat(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash));
  }

  function _signTyped(bytes32 structHash) private view returns (bytes memory) {
    return _sign(PAYER_KEY, _typed(structHash));
  }
}
