// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title EIP-712 messages that act once
/// @dev The domain binds a message to one chain and one contract; remembering the hash of the message's
///      struct makes it act once there. The nonce inside a struct is any number its signer has not used for
///      otherwise equal content, so signers need no counter and messages need no order.
abstract contract SignedOnce is EIP712 {
    mapping(bytes32 structHash => bool) private _used;

    /// @notice The signature is malformed or was made by somebody else than `signer`.
    error InvalidSignature(address signer);
    /// @notice This very message acted before.
    error MessageAlreadyUsed(bytes32 structHash);

    /// @dev Fails unless `signer` signed `structHash` and it never acted before; marks it as used.
    function _useMessage(address signer, bytes32 structHash, bytes memory signature) internal {
        if (_used[structHash]) revert MessageAlreadyUsed(structHash);
        _used[structHash] = true;
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(_hashTypedDataV4(structHash), signature);
        if (failure != ECDSA.RecoverError.NoError || recovered != signer) revert InvalidSignature(signer);
    }
}
