// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IDataPermissions} from "./interfaces/IDataPermissions.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {SignedOnce} from "./shared/SignedOnce.sol";

/// @title Who submitted which health data, and which products may use it until when
/// @notice Only commitments (hashes) come here, never data.
/// @dev Functions and events follow Rejuve's public DataManagement, traps included: nothing revokes on chain,
///      the status stays 1 after the deadline, it is kept per product and not per requester, and the deadline
///      counts from the block that executes the permission, not from the signature.
contract DataManagement is AccessControl, Pausable, SignedOnce, IDataPermissions {
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    bytes32 public constant SPONSOR_ROLE = keccak256("SPONSOR_ROLE");
    bytes32 public constant DATA_SUBMISSION_TYPE_HASH =
        keccak256("DataSubmission(address signer,bytes dhash,uint256 nonce)");
    bytes32 public constant PERMISSION_TYPE_HASH = keccak256(
        "Permission(address dataowner,uint256 requesterId,bytes dhash,uint256 productId,uint256 nonce,uint256 expiration)"
    );

    struct Grant {
        bool permitted;
        uint256 deadline;
    }

    IIdentityRegistry private immutable _identities;

    mapping(bytes dHash => uint256 identity) private _ownerOf;
    mapping(uint256 identity => bytes[] dHashes) private _dataOf;
    mapping(uint256 identity => bytes32[] permissionHashes) private _permissionsOf;
    mapping(bytes dHash => mapping(uint256 productUID => Grant grant)) private _grants;

    event DataSubmitted(address indexed dataOwner, uint256 indexed dataOwnerId, bytes dataHash);
    event PermissionGranted(
        uint256 indexed dataOwnerId,
        uint256 requesterId,
        uint256 nextProductUID,
        bytes dataHash,
        bytes32 permissionHash
    );

    error DataOwnedByAnother(uint256 ownerIdentity);
    error EmptyField(string name);
    error NoSuchData(uint256 identity, uint256 index);
    error NotDataOwner(address signer);
    error NotRegistered(address user);

    /// @param name EIP-712 domain name.
    /// @param version EIP-712 domain version.
    /// @param sponsor First holder of SPONSOR_ROLE; the deployer becomes admin and pauser.
    constructor(string memory name, string memory version, address sponsor, IIdentityRegistry identities)
        EIP712(name, version)
    {
        if (sponsor == address(0)) revert EmptyField("sponsor");
        if (address(identities) == address(0)) revert EmptyField("identities");
        _identities = identities;
        _grantRole(DEFAULT_ADMIN_ROLE, _msgSender());
        _grantRole(PAUSER_ROLE, _msgSender());
        _grantRole(SPONSOR_ROLE, sponsor);
    }

    /// @notice Record that `signer` has data with this hash, with the EIP-712 `DataSubmission` message they signed.
    /// @dev Stricter than the public contract, which lets anybody take over a hash: here a hash changes hands only
    ///      once the identity that held it was burnt.
    function submitData(address signer, bytes memory signature, bytes memory dHash, uint256 nonce)
        external
        whenNotPaused
        onlyRole(SPONSOR_ROLE)
    {
        if (dHash.length == 0) revert EmptyField("dHash");
        uint256 identity = _identityOf(signer);
        uint256 holder = _ownerOf[dHash];
        if (holder != 0 && holder != identity && _isLive(holder)) revert DataOwnedByAnother(holder);
        _useMessage(
            signer, keccak256(abi.encode(DATA_SUBMISSION_TYPE_HASH, signer, keccak256(dHash), nonce)), signature
        );

        _dataOf[identity].push(dHash);
        _ownerOf[dHash] = identity;
        emit DataSubmitted(signer, identity, dHash);
    }

    /// @notice The caller, a registered requester, takes up the permission that the data's owner signed for it.
    /// @param signer Owner of the data, who signed the EIP-712 `Permission` message.
    /// @param nextProductUID Product that may use the data.
    /// @param expiration Seconds from this block until the permission ends.
    function getPermission(
        address signer,
        bytes memory signature,
        bytes memory dHash,
        uint256 nextProductUID,
        uint256 nonce,
        uint256 expiration
    ) external whenNotPaused {
        uint256 ownerId = _identityOf(signer);
        uint256 requesterId = _identityOf(_msgSender());
        if (_ownerOf[dHash] != ownerId) revert NotDataOwner(signer);
        _useMessage(
            signer,
            keccak256(
                abi.encode(
                    PERMISSION_TYPE_HASH, signer, requesterId, keccak256(dHash), nextProductUID, nonce, expiration
                )
            ),
            signature
        );

        bytes32 permissionHash = keccak256(abi.encodePacked(requesterId, dHash, nextProductUID));
        _permissionsOf[ownerId].push(permissionHash);
        _grants[dHash][nextProductUID] = Grant({permitted: true, deadline: block.timestamp + expiration});
        emit PermissionGranted(ownerId, requesterId, nextProductUID, dHash, permissionHash);
    }

    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice The `index`-th hash (from 0) that the identity submitted.
    function getDataByTokenId(uint256 tokenId, uint256 index) external view returns (bytes memory) {
        bytes[] storage dHashes = _dataOf[tokenId];
        if (index >= dHashes.length) revert NoSuchData(tokenId, index);
        return dHashes[index];
    }

    /// @inheritdoc IDataPermissions
    function getPermissionStatus(bytes memory dHash, uint256 productUID) external view returns (uint8) {
        return _grants[dHash][productUID].permitted ? 1 : 0;
    }

    /// @inheritdoc IDataPermissions
    function getDataOwnerId(bytes memory dHash) external view returns (uint256) {
        return _ownerOf[dHash];
    }

    /// @notice When the latest permission of this data for this product ends, in Unix seconds; 0 when there is none.
    function getPermissionDeadline(bytes memory dHash, uint256 nextProductUID) external view returns (uint256) {
        return _grants[dHash][nextProductUID].deadline;
    }

    /// @notice Every permission that the present identity of `owner` gave.
    function getPermissionHashes(address owner) external view returns (bytes32[] memory) {
        return _permissionsOf[_identities.getOwnerIdentity(owner)];
    }

    function _identityOf(address user) private view returns (uint256) {
        if (_identities.ifRegistered(user) != 1) revert NotRegistered(user);
        return _identities.getOwnerIdentity(user);
    }

    function _isLive(uint256 identity) private view returns (bool) {
        try _identities.ownerOf(identity) returns (address) {
            return true;
        } catch {
            return false;
        }
    }
}
