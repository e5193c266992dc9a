// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { UsdcDoubleSignatures } from "./UsdcDoubleSignatures.sol";

/// @title LOCAL DOUBLE of USDC: for local chains and tests only, never USDC
/// @notice Behaves as Circle's FiatToken v2.2 does towards payers and contracts: EIP-3009 and EIP-2612 in both
/// signature forms, ERC-1271 wallets, blacklist, pause, minters, and the same revert reasons, which clients and
/// facilitators match on. Lacks what a local chain has no use for: rescuing, burning, change of roles.
/// @dev Written here from https://github.com/circlefin/stablecoin-evm (contracts/v2/FiatTokenV2_2.sol). The storage
/// slots are those of the original, and the blacklist flag is the top bit of the balance word, so that cold reads and
/// writes, and tools that set balances directly (slot 9), fare as they would on Base.
contract UsdcDouble {
  bytes32 public constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
  );
  bytes32 public constant RECEIVE_WITH_AUTHORIZATION_TYPEHASH = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
  );
  bytes32 public constant CANCEL_AUTHORIZATION_TYPEHASH =
    keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
  bytes32 public constant PERMIT_TYPEHASH =
    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
  bytes32 private constant DOMAIN_TYPEHASH =
    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

  uint256 private constant BLACKLISTED = 1 << 255;

  // Slots 0 to 18 in FiatToken's order.
  address public owner;
  address public pauser;
  bool public paused;
  address public blacklister;
  mapping(address account => bool) private unusedBlacklist;
  string public name;
  string public symbol;
  uint8 public decimals;
  string public currency;
  address public masterMinter;
  bool private initialized;
  mapping(address account => uint256) private balanceAndBlacklist;
  mapping(address holder => mapping(address spender => uint256)) public allowance;
  uint256 public totalSupply;
  mapping(address minter => bool) public isMinter;
  mapping(address minter => uint256) public minterAllowance;
  address private unusedRescuer;
  bytes32 private unusedDomainSeparator;
  mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;
  mapping(address holder => uint256) public nonces;
  uint8 private unusedInitializedVersion;

  event Transfer(address indexed from, address indexed to, uint256 value);
  event Approval(address indexed owner, address indexed spender, uint256 value);
  event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
  event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
  event Mint(address indexed minter, address indexed to, uint256 amount);
  event MinterConfigured(address indexed minter, uint256 minterAllowedAmount);
  event Blacklisted(address indexed _account);
  event UnBlacklisted(address indexed _account);
  event Pause();
  event Unpause();

  modifier whenNotPaused() {
    require(!paused, "Pausable: paused");
    _;
  }

  modifier notBlacklisted(address account) {
    require(!isBlacklisted(account), "Blacklistable: account is blacklisted");
    _;
  }

  /// @param tokenName Also the name of the EIP-712 domain: "USDC" on Base Sepolia, "USD Coin" on Base.
  /// @param authority Owner, pauser, blacklister and master minter in one.
  function initialize(string calldata tokenName, address authority) external {
    require(!initialized, "FiatToken: contract is already initialized");
    name = tokenName;
    symbol = "USDC";
    currency = "USD";
    decimals = 6;
    owner = authority;
    pauser = authority;
    blacklister = authority;
    masterMinter = authority;
    // Since v2.2 nobody can send the token to itself by mistake.
    balanceAndBlacklist[address(this)] |= BLACKLISTED;
    initialized = true;
  }

  function version() public pure returns (string memory) {
    return "2";
  }

  /// @dev Computed each time from the stored name, as v2.2 does.
  function DOMAIN_SEPARATOR() public view returns (bytes32) {
    return keccak256(
      abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256(bytes(version())), block.chainid, address(this))
    );
  }

  // ---------------------------------------------------------------- ERC-20

  function balanceOf(address account) public view returns (uint256) {
    return balanceAndBlacklist[account] & ~BLACKLISTED;
  }

  function transfer(address to, uint256 value)
    external
    whenNotPaused
    notBlacklisted(msg.sender)
    notBlacklisted(to)
    returns (bool)
  {
    _transfer(msg.sender, to, value);
    return true;
  }

  function transferFrom(address from, address to, uint256 value)
    external
    whenNotPaused
    notBlacklisted(msg.sender)
    notBlacklisted(from)
    notBlacklisted(to)
    returns (bool)
  {
    require(value <= allowance[from][msg.sender], "ERC20: transfer amount exceeds allowance");
    _transfer(from, to, value);
    allowance[from][msg.sender] -= value;
    return true;
  }

  /// @dev Since v2.2 a blacklisted account may approve, though not move anything.
  function approve(address spender, uint256 value) external whenNotPaused returns (bool) {
    _approve(msg.sender, spender, value);
    return true;
  }

  function increaseAllowance(address spender, uint256 increment) external whenNotPaused returns (bool) {
    _approve(msg.sender, spender, allowance[msg.sender][spender] + increment);
    return true;
  }

  function decreaseAllowance(address spender, uint256 decrement) external whenNotPaused returns (bool) {
    uint256 current = allowance[msg.sender][spender];
    require(decrement <= current, "ERC20: decreased allowance below zero");
    _approve(msg.sender, spender, current - decrement);
    return true;
  }

  // ---------------------------------------------------------------- EIP-3009

  function transferWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    uint8 v,
    bytes32 r,
    bytes32 s
  ) external {
    transferWithAuthorization(from, to, value, validAfter, validBefore, nonce, abi.encodePacked(r, s, v));
  }

  function transferWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    bytes memory signature
  ) public whenNotPaused notBlacklisted(from) notBlacklisted(to) {
    _useAuthorization(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature);
  }

  function receiveWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    uint8 v,
    bytes32 r,
    bytes32 s
  ) external {
    receiveWithAuthorization(from, to, value, validAfter, validBefore, nonce, abi.encodePacked(r, s, v));
  }

  function receiveWithAuthorization(
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    bytes memory signature
  ) public whenNotPaused notBlacklisted(from) notBlacklisted(to) {
    require(to == msg.sender, "FiatTokenV2: caller must be the payee");
    _useAuthorization(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature);
  }

  function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
    cancelAuthorization(authorizer, nonce, abi.encodePacked(r, s, v));
  }

  function cancelAuthorization(address authorizer, bytes32 nonce, bytes memory signature) public whenNotPaused {
    require(!authorizationState[authorizer][nonce], "FiatTokenV2: authorization is used or canceled");
    _requireSigned(
      authorizer,
      keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)),
      signature,
      "FiatTokenV2: invalid signature"
    );
    authorizationState[authorizer][nonce] = true;
    emit AuthorizationCanceled(authorizer, nonce);
  }

  // ---------------------------------------------------------------- EIP-2612

  function permit(address holder, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
    external
  {
    permit(holder, spender, value, deadline, abi.encodePacked(r, s, v));
  }

  function permit(address holder, address spender, uint256 value, uint256 deadline, bytes memory signature)
    public
    whenNotPaused
  {
    require(deadline == type(uint256).max || deadline >= block.timestamp, "FiatTokenV2: permit is expired");
    _requireSigned(
      holder,
      keccak256(abi.encode(PERMIT_TYPEHASH, holder, spender, value, nonces[holder]++, deadline)),
      signature,
      "EIP2612: invalid signature"
    );
    _approve(holder, spender, value);
  }

  // ---------------------------------------------------------------- authority

  function configureMinter(address minter, uint256 amount) external whenNotPaused returns (bool) {
    require(msg.sender == masterMinter, "FiatToken: caller is not the masterMinter");
    isMinter[minter] = true;
    minterAllowance[minter] = amount;
    emit MinterConfigured(minter, amount);
    return true;
  }

  function mint(address to, uint256 amount)
    external
    whenNotPaused
    notBlacklisted(msg.sender)
    notBlacklisted(to)
    returns (bool)
  {
    require(isMinter[msg.sender], "FiatToken: caller is not a minter");
    require(to != address(0), "FiatToken: mint to the zero address");
    require(amount > 0, "FiatToken: mint amount not greater than 0");
    require(amount <= minterAllowance[msg.sender], "FiatToken: mint amount exceeds minterAllowance");
    minterAllowance[msg.sender] -= amount;
    totalSupply += amount;
    _setBalance(to, balanceOf(to) + amount);
    emit Mint(msg.sender, to, amount);
    emit Transfer(address(0), to, amount);
    return true;
  }

  function isBlacklisted(address account) public view returns (bool) {
    return balanceAndBlacklist[account] & BLACKLISTED != 0;
  }

  function blacklist(address account) external {
    require(msg.sender == blacklister, "Blacklistable: caller is not the blacklister");
    balanceAndBlacklist[account] |= BLACKLISTED;
    emit Blacklisted(account);
  }

  function unBlacklist(address account) external {
    require(msg.sender == blacklister, "Blacklistable: caller is not the blacklister");
    balanceAndBlacklist[account] &= ~BLACKLISTED;
    emit UnBlacklisted(account);
  }

  function pause() external {
    require(msg.sender == pauser, "Pausable: caller is not the pauser");
    paused = true;
    emit Pause();
  }

  function unpause() external {
    require(msg.sender == pauser, "Pausable: caller is not the pauser");
    paused = false;
    emit Unpause();
  }

  // ---------------------------------------------------------------- inside

  function _useAuthorization(
    bytes32 typehash,
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce,
    bytes memory signature
  ) private {
    require(block.timestamp > validAfter, "FiatTokenV2: authorization is not yet valid");
    require(block.timestamp < validBefore, "FiatTokenV2: authorization is expired");
    require(!authorizationState[from][nonce], "FiatTokenV2: authorization is used or canceled");
    _requireSigned(
      from,
      keccak256(abi.encode(typehash, from, to, value, validAfter, validBefore, nonce)),
      signature,
      "FiatTokenV2: invalid signature"
    );
    authorizationState[from][nonce] = true;
    emit AuthorizationUsed(from, nonce);
    _transfer(from, to, value);
  }

  function _requireSigned(address signer, bytes32 structHash, bytes memory signature, string memory reason)
    private
    view
  {
    bytes32 digest = keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), structHash));
    require(UsdcDoubleSignatures.isValid(signer, digest, signature), reason);
  }

  function _transfer(address from, address to, uint256 value) private {
    require(from != address(0), "ERC20: transfer from the zero address");
    require(to != address(0), "ERC20: transfer to the zero address");
    require(value <= balanceOf(from), "ERC20: transfer amount exceeds balance");
    _setBalance(from, balanceOf(from) - value);
    _setBalance(to, balanceOf(to) + value);
    emit Transfer(from, to, value);
  }

  /// @dev Only for accounts that are not blacklisted, or their flag would be lost.
  function _setBalance(address account, uint256 balance) private {
    require(balance < BLACKLISTED, "FiatTokenV2_2: Balance exceeds (2^255 - 1)");
    require(!isBlacklisted(account), "FiatTokenV2_2: Account is blacklisted");
    balanceAndBlacklist[account] = balance;
  }

  function _approve(address holder, address spender, uint256 value) private {
    require(holder != address(0), "ERC20: approve from the zero address");
    require(spender != address(0), "ERC20: approve to the zero address");
    allowance[holder][spender] = value;
    emit Approval(holder, spender, value);
  }
}
