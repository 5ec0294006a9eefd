// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What a product asks about the data it is made of
interface IDataPermissions {
    /// @notice 1 when `dHash` was ever permitted for the product, else 0.
    function getPermissionStatus(bytes memory dHash, uint256 productUID) external view returns (uint8);

    /// @notice The identity that submitted `dHash`, 0 when nobody did.
    function getDataOwnerId(bytes memory dHash) external view returns (uint256);
}
