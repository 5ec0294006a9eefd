// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ERC-5192, minimal soulbound NFTs (interface id 0xb45a3c0e)
interface IERC5192 {
    /// @notice `tokenId` can no longer change hands.
    event Locked(uint256 tokenId);
    /// @notice `tokenId` can change hands again.
    event Unlocked(uint256 tokenId);

    /// @notice Whether `tokenId` cannot be transferred. Fails for a token that does not exist.
    function locked(uint256 tokenId) external view returns (bool);
}
