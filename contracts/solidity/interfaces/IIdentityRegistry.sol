// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What other Rejuve contracts ask of the identity token
/// @dev The deployed data contracts ask `ifRegistered`, the newer identity token answers `isRegistered`;
///      ours has both, and our contracts use the older one so that they also work with a deployed identity token.
interface IIdentityRegistry {
    /// @notice The identity of `owner`, 0 when there is none.
    function getOwnerIdentity(address owner) external view returns (uint256);

    /// @notice 1 when `user` has an identity, else 0.
    function ifRegistered(address user) external view returns (uint8);

    /// @notice The holder of an identity. Fails when the identity does not exist (any more).
    function ownerOf(uint256 tokenId) external view returns (address);
}
