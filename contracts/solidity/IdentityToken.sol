// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ERC721URIStorage} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IERC5192} from "./interfaces/IERC5192.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {SignedOnce} from "./shared/SignedOnce.sol";

/// @title One soulbound identity per person who contributes or uses health data
/// @notice A sponsor pays for the transaction, the person consents by signature, and only the person can burn it.
/// @dev Functions and events follow Rejuve's public IdentityToken; ERC-5192, `ifRegistered` and
///      `updateTokenURI` are additions.
contract IdentityToken is ERC721URIStorage, AccessControl, Pausable, SignedOnce, IERC5192, IIdentityRegistry {
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    bytes32 public constant SPONSOR_ROLE = keccak256("SPONSOR_ROLE");
    bytes32 public constant IDENTITY_TYPE_HASH =
        keccak256("Identity(bytes32 kyc,address signer,string uri,uint256 nonce)");

    // Ids start at 1: an identity of 0 means "has none".
    uint256 private _lastTokenId;
    mapping(address owner => uint256 tokenId) private _identityOf;

    event IdentityCreated(address indexed identityOwner, address indexed sponsor, uint256 tokenId, string tokenURI);
    event IdentityDestroyed(address indexed identityOwner, uint256 tokenId);

    error AlreadyRegistered(address owner, uint256 tokenId);
    error EmptyField(string name);
    error NotIdentityOwner(address caller, uint256 tokenId);
    error Soulbound();

    /// @param name Token name and EIP-712 domain name.
    /// @param version EIP-712 domain version.
    /// @param sponsor First holder of SPONSOR_ROLE; the deployer becomes admin and pauser.
    constructor(string memory name, string memory symbol, string memory version, address sponsor)
        ERC721(name, symbol)
        EIP712(name, version)
    {
        if (sponsor == address(0)) revert EmptyField("sponsor");
        _grantRole(DEFAULT_ADMIN_ROLE, _msgSender());
        _grantRole(PAUSER_ROLE, _msgSender());
        _grantRole(SPONSOR_ROLE, sponsor);
    }

    /// @notice Give `signer` an identity, with the EIP-712 `Identity` message that `signer` signed.
    /// @param kyc Commitment to the identity check; never the personal data itself.
    /// @param nonce Any number but 0 that `signer` has not used with the same content.
    function createIdentity(
        bytes memory signature,
        bytes32 kyc,
        address signer,
        string memory tokenURI,
        uint256 nonce
    ) external whenNotPaused onlyRole(SPONSOR_ROLE) {
        if (signature.length == 0) revert EmptyField("signature");
        if (kyc == bytes32(0)) revert EmptyField("kyc");
        if (signer == address(0)) revert EmptyField("signer");
        if (bytes(tokenURI).length == 0) revert EmptyField("tokenURI");
        if (nonce == 0) revert EmptyField("nonce");
        if (_identityOf[signer] != 0) revert AlreadyRegistered(signer, _identityOf[signer]);
        _useMessage(
            signer,
            keccak256(abi.encode(IDENTITY_TYPE_HASH, kyc, signer, keccak256(bytes(tokenURI)), nonce)),
            signature
        );

        uint256 tokenId = ++_lastTokenId;
        _identityOf[signer] = tokenId;
        emit IdentityCreated(signer, _msgSender(), tokenId, tokenURI);
        emit Locked(tokenId);
        _setTokenURI(tokenId, tokenURI);
        // Last: a contract wallet is called back here and must meet a finished identity.
        _safeMint(signer, tokenId);
    }

    /// @notice Destroy your own identity. The signature that created it cannot create another.
    function burnIdentity(uint256 tokenId) external whenNotPaused {
        address owner = ownerOf(tokenId);
        if (owner != _msgSender()) revert NotIdentityOwner(_msgSender(), tokenId);
        delete _identityOf[owner];
        emit IdentityDestroyed(owner, tokenId);
        _burn(tokenId);
    }

    /// @notice Point an identity at new metadata; ERC-4906 `MetadataUpdate` tells caches.
    function updateTokenURI(uint256 tokenId, string memory newTokenURI) external whenNotPaused onlyRole(SPONSOR_ROLE) {
        _requireOwned(tokenId);
        if (bytes(newTokenURI).length == 0) revert EmptyField("tokenURI");
        _setTokenURI(tokenId, newTokenURI);
    }

    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @inheritdoc IIdentityRegistry
    function getOwnerIdentity(address owner) external view returns (uint256) {
        return _identityOf[owner];
    }

    function isRegistered(address user) public view returns (bool) {
        return _identityOf[user] != 0;
    }

    /// @inheritdoc IIdentityRegistry
    function ifRegistered(address user) external view returns (uint8) {
        return isRegistered(user) ? 1 : 0;
    }

    /// @inheritdoc IERC5192
    function locked(uint256 tokenId) external view returns (bool) {
        _requireOwned(tokenId);
        return true;
    }

    function ownerOf(uint256 tokenId) public view override(ERC721, IERC721, IIdentityRegistry) returns (address) {
        return super.ownerOf(tokenId);
    }

    function approve(address, uint256) public pure override(ERC721, IERC721) {
        revert Soulbound();
    }

    function setApprovalForAll(address, bool) public pure override(ERC721, IERC721) {
        revert Soulbound();
    }

    function transferFrom(address, address, uint256) public pure override(ERC721, IERC721) {
        revert Soulbound();
    }

    // The three-argument form of safeTransferFrom ends here as well.
    function safeTransferFrom(address, address, uint256, bytes memory) public pure override(ERC721, IERC721) {
        revert Soulbound();
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC721URIStorage, AccessControl)
        returns (bool)
    {
        return interfaceId == type(IERC5192).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev The one gate that every movement passes: minting and burning only, whatever public function led here.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from != address(0) && to != address(0)) revert Soulbound();
    }
}
