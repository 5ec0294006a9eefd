// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721URIStorage} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IDataPermissions} from "./interfaces/IDataPermissions.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";

/// @title Products made from permitted health data
/// @notice A registered lab creates a product; the platform's signer vouches for the data and its credit scores.
/// @dev Functions and events follow Rejuve's public ProductNFT. The signed message is the packed form that its
///      clients build, with EIP-191's prefix, so signatures made for the public contract's layout verify here.
contract ProductNFT is ERC721URIStorage, AccessControl, Pausable {
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    bytes32 public constant SIGNER_ROLE = keccak256("SIGNER_ROLE");

    IIdentityRegistry private immutable _identities;
    IDataPermissions private immutable _permissions;

    mapping(uint256 productUID => uint256 length) private _initialDataLength;
    mapping(uint256 productUID => bytes[] dHashes) private _dataOf;
    mapping(bytes dHash => mapping(uint256 productUID => uint256 score)) private _credits;
    mapping(uint256 nonce => bool used) private _usedNonces;

    event ProductCreated(
        uint256 productUID, address productCreator, string productURI, bytes[] datahashes, uint256[] creditScore
    );
    event NewDataLinked(uint256 productUID, bytes[] dataHash, uint256[] creditScore);

    error DataNotPermitted(bytes dHash, uint256 productUID);
    error InvalidSignature(address signer);
    error LengthMismatch(uint256 dataHashes, uint256 creditScores);
    error NonceAlreadyUsed(uint256 nonce);
    error NotProductCreator(address caller, uint256 productUID);
    error NotRegistered(address user);
    error UnknownSigner(address signer);

    /// @param signer First holder of SIGNER_ROLE; the deployer becomes admin and pauser.
    constructor(
        string memory name,
        string memory symbol,
        address signer,
        IIdentityRegistry identities,
        IDataPermissions permissions
    ) ERC721(name, symbol) {
        _identities = identities;
        _permissions = permissions;
        _grantRole(DEFAULT_ADMIN_ROLE, _msgSender());
        _grantRole(PAUSER_ROLE, _msgSender());
        _grantRole(SIGNER_ROLE, signer);
    }

    /// @notice Create product `productUID`, owned by the caller, out of data that was permitted for it.
    /// @param signer Holder of SIGNER_ROLE who signed all of this for this caller.
    /// @param creditScores One score for each hash, in the same order.
    function createProduct(
        uint256 productUID,
        uint256 nonce,
        string memory productURI,
        address signer,
        bytes memory signature,
        bytes[] memory dataHashes,
        uint256[] memory creditScores
    ) external whenNotPaused {
        if (_identities.ifRegistered(_msgSender()) != 1) revert NotRegistered(_msgSender());
        _verify(productUID, nonce, productURI, signer, signature, dataHashes, creditScores);
        _link(productUID, dataHashes, creditScores);

        _initialDataLength[productUID] = dataHashes.length;
        emit ProductCreated(productUID, _msgSender(), productURI, dataHashes, creditScores);
        _setTokenURI(productUID, productURI);
        _safeMint(_msgSender(), productUID);
    }

    /// @notice Add newly permitted data to your product. `productURI` is part of what was signed; it is not changed.
    function linkNewData(
        uint256 productUID,
        uint256 nonce,
        string memory productURI,
        address signer,
        bytes memory signature,
        bytes[] memory newDataHashes,
        uint256[] memory creditScores
    ) external whenNotPaused {
        if (ownerOf(productUID) != _msgSender()) revert NotProductCreator(_msgSender(), productUID);
        _verify(productUID, nonce, productURI, signer, signature, newDataHashes, creditScores);
        _link(productUID, newDataHashes, creditScores);
        emit NewDataLinked(productUID, newDataHashes, creditScores);
    }

    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice Every hash the product is made of, in the order they were linked.
    function getProductToData(uint256 productUID) external view returns (bytes[] memory) {
        return _dataOf[productUID];
    }

    /// @notice The credit score of one hash in one product; 0 when it is not part of it.
    function getDataCredit(bytes memory dHash, uint256 productUID) external view returns (uint256) {
        return _credits[dHash][productUID];
    }

    /// @notice Who holds the identity that submitted the data. Fails when there is none (any more).
    function getDataOwnerAddress(bytes memory dHash) external view returns (address) {
        return _identities.ownerOf(_permissions.getDataOwnerId(dHash));
    }

    /// @notice How many hashes the product was created with; later ones came by `linkNewData`.
    function getInitialDataLength(uint256 productUID) external view returns (uint256) {
        return _initialDataLength[productUID];
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC721URIStorage, AccessControl)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }

    function _verify(
        uint256 productUID,
        uint256 nonce,
        string memory productURI,
        address signer,
        bytes memory signature,
        bytes[] memory dataHashes,
        uint256[] memory creditScores
    ) private {
        if (dataHashes.length != creditScores.length) revert LengthMismatch(dataHashes.length, creditScores.length);
        if (!hasRole(SIGNER_ROLE, signer)) revert UnknownSigner(signer);
        if (_usedNonces[nonce]) revert NonceAlreadyUsed(nonce);
        _usedNonces[nonce] = true;

        bytes32 message = keccak256(
            abi.encodePacked(
                productUID,
                nonce,
                productURI,
                signer,
                keccak256(abi.encode(dataHashes)),
                creditScores,
                _msgSender(),
                address(this)
            )
        );
        (address recovered, ECDSA.RecoverError failure,) =
            ECDSA.tryRecover(MessageHashUtils.toEthSignedMessageHash(message), signature);
        if (failure != ECDSA.RecoverError.NoError || recovered != signer) revert InvalidSignature(signer);
    }

    function _link(uint256 productUID, bytes[] memory dataHashes, uint256[] memory creditScores) private {
        for (uint256 i = 0; i < dataHashes.length; i++) {
            bytes memory dHash = dataHashes[i];
            if (_permissions.getPermissionStatus(dHash, productUID) != 1) revert DataNotPermitted(dHash, productUID);
            _credits[dHash][productUID] = creditScores[i];
            _dataOf[productUID].push(dHash);
        }
    }
}
