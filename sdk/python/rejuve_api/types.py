# Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
"""Shapes of everything the API takes and gives. At run time they are plain dicts and lists."""

from __future__ import annotations

import sys
from typing import Any, Literal, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired, TypedDict
else:
    from typing_extensions import NotRequired, TypedDict

AccessToken = TypedDict("AccessToken", {
    "access_token": str,
    "token_type": Literal["Bearer"],
    "expires_in": int,
    "scope": str,
})
Amount = TypedDict("Amount", {
    "raw": str,
    "decimals": int,
    "formatted": str,
})
ApiClient = TypedDict("ApiClient", {
    "id": str,
    "name": str,
    "scopes": list[str],
    "allowedSigners": list[str],
    "requestsPerMinute": Union[int, None],
    "requestsPerDay": Union[int, None],
    "requestsPerMonth": Union[int, None],
    "createdAt": str,
    "disabledAt": Union[str, None],
})
AsOf = TypedDict("AsOf", {
    "blockNumber": int,
    "blockHash": str,
    "blockTime": str,
    "finality": Literal["latest", "safe", "finalized"],
})
Attestation = TypedDict("Attestation", {
    "uid": str,
    "schema": Union[str, None],
    "schemaUid": str,
    "attester": str,
    "trusted": bool,
    "attestedAt": str,
    "expiresAt": Union[str, None],
    "revokedAt": Union[str, None],
    "valid": bool,
    "why": str,
})
Balance = TypedDict("Balance", {
    "token": "Token",
    "amount": "Amount",
    "quote": Union["Quote", None],
})
Balances = TypedDict("Balances", {
    "address": str,
    "asOf": "AsOf",
    "data": list["Balance"],
})
BalancesV2Wallet = TypedDict("BalancesV2Wallet", {
    "address": str,
    "chainId": int,
})
BalancesV2BalancesValue = TypedDict("BalancesV2BalancesValue", {
    "symbol": str,
    "name": str,
    "amount": "Amount",
    "quote": Union["Quote", None],
})
BalancesV2 = TypedDict("BalancesV2", {
    "wallet": "BalancesV2Wallet",
    "asOf": "AsOf",
    "balances": dict[str, "BalancesV2BalancesValue"],
})
ConsentRecordAnchor = TypedDict("ConsentRecordAnchor", {
    "commitment": str,
    "salt": Union[str, None],
    "transactionId": Union[str, None],
})
ConsentRecord = TypedDict("ConsentRecord", {
    "id": str,
    "action": Literal["grant", "revoke"],
    "owner": str,
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "purpose": Union[str, None],
    "expirationSeconds": Union[str, None],
    "transactionId": Union[str, None],
    "anchor": Union["ConsentRecordAnchor", None],
    "recordedAt": str,
})
ContractArgument = Union[str, bool, list["ContractArgument"]]
CreateTransactionOf1 = TypedDict("CreateTransactionOf1", {
    "signer": str,
    "value": NotRequired[str],
    "urgency": NotRequired[Literal["slow", "standard", "fast"]],
    "purpose": NotRequired[str],
    "contract": str,
    "function": str,
    "args": list["ContractArgument"],
})
CreateTransactionOf2 = TypedDict("CreateTransactionOf2", {
    "signer": str,
    "value": NotRequired[str],
    "urgency": NotRequired[Literal["slow", "standard", "fast"]],
    "purpose": NotRequired[str],
    "to": str,
    "data": NotRequired[str],
})
CreateTransaction = Union["CreateTransactionOf1", "CreateTransactionOf2"]
Credential = TypedDict("Credential", {
    "id": str,
    "kind": Literal["api-key", "oauth-secret"],
    "label": Union[str, None],
    "scopes": Union[list[str], None],
    "createdAt": str,
    "expiresAt": Union[str, None],
    "revokedAt": Union[str, None],
    "lastUsedAt": Union[str, None],
})
DataSubmission = TypedDict("DataSubmission", {
    "owner": str,
    "ownerIdentity": str,
    "dataHash": str,
    "stage": "Stage",
    "blockNumber": int,
    "blockTime": str,
    "transactionHash": str,
})
EarningOpportunityStandingWhyItem = TypedDict("EarningOpportunityStandingWhyItem", {
    "term": str,
    "holds": bool,
    "why": str,
})
EarningOpportunityStanding = TypedDict("EarningOpportunityStanding", {
    "eligible": bool,
    "progress": int,
    "why": list["EarningOpportunityStandingWhyItem"],
    "claim": Union["RewardClaim", None],
})
EarningOpportunity = TypedDict("EarningOpportunity", {
    "id": str,
    "title": str,
    "description": str,
    "criterion": Literal["identity", "data-submissions", "permission-grants", "linked-wallets", "manual"],
    "target": int,
    "reward": "Amount",
    "remaining": Union[int, None],
    "startsAt": str,
    "endsAt": Union[str, None],
    "standing": Union["EarningOpportunityStanding", None],
})
EffectivePermissionWhyItem = TypedDict("EffectivePermissionWhyItem", {
    "term": Literal["granted", "requesterMatches", "notExpired", "notRevoked", "identityLive"],
    "holds": bool,
    "why": str,
})
EffectivePermission = TypedDict("EffectivePermission", {
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "ownerIdentity": Union[str, None],
    "effective": bool,
    "deadline": Union[str, None],
    "why": list["EffectivePermissionWhyItem"],
    "asOf": "AsOf",
})
Identity = TypedDict("Identity", {
    "address": str,
    "registered": bool,
    "tokenId": Union[str, None],
    "tokenUri": Union[str, None],
    "contract": str,
})
IssuedCredential = TypedDict("IssuedCredential", {
    "credential": "Credential",
    "secret": Union[str, None],
})
NftHoldingContract = TypedDict("NftHoldingContract", {
    "name": str,
    "address": str,
})
NftHolding = TypedDict("NftHolding", {
    "contract": "NftHoldingContract",
    "tokenId": str,
    "owner": str,
    "standard": str,
    "amount": str,
})
NftStatusContract = TypedDict("NftStatusContract", {
    "name": str,
    "address": str,
})
NftStatus = TypedDict("NftStatus", {
    "contract": "NftStatusContract",
    "tokenId": str,
    "exists": bool,
    "owner": Union[str, None],
    "soulbound": bool,
    "tokenUri": Union[str, None],
})
Page = TypedDict("Page", {
    "next": Union[str, None],
    "hasMore": bool,
})
PartnerOffer = TypedDict("PartnerOffer", {
    "id": str,
    "partner": str,
    "title": str,
    "description": str,
    "price": "Amount",
    "stock": Union[int, None],
    "endsAt": Union[str, None],
})
Permission = TypedDict("Permission", {
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "ownerIdentity": str,
    "permissionHash": str,
    "purpose": Union[str, None],
    "stage": "Stage",
    "grantedAt": str,
    "revokedAt": Union[str, None],
    "blockNumber": int,
    "transactionHash": str,
})
PrepareTransactionOf1 = TypedDict("PrepareTransactionOf1", {
    "from": str,
    "contract": str,
    "function": str,
    "args": list["ContractArgument"],
    "value": NotRequired[str],
})
PrepareTransactionOf2 = TypedDict("PrepareTransactionOf2", {
    "from": str,
    "to": str,
    "data": NotRequired[str],
    "value": NotRequired[str],
})
PrepareTransactionOf3 = TypedDict("PrepareTransactionOf3", {
    "cancels": str,
})
PrepareTransaction = Union["PrepareTransactionOf1", "PrepareTransactionOf2", "PrepareTransactionOf3"]
PreparedTransactionTransaction = TypedDict("PreparedTransactionTransaction", {
    "type": Literal[2],
    "chainId": int,
    "from": str,
    "to": str,
    "nonce": int,
    "data": str,
    "value": str,
    "gasLimit": str,
    "maxFeePerGas": str,
    "maxPriorityFeePerGas": str,
})
PreparedTransactionFees = TypedDict("PreparedTransactionFees", {
    "expected": "Amount",
    "atMost": "Amount",
})
PreparedTransaction = TypedDict("PreparedTransaction", {
    "asOf": "AsOf",
    "summary": str,
    "transaction": "PreparedTransactionTransaction",
    "fees": "PreparedTransactionFees",
})
ProblemErrorsItem = TypedDict("ProblemErrorsItem", {
    "pointer": str,
    "rule": str,
    "detail": str,
})
Problem = TypedDict("Problem", {
    "type": str,
    "title": str,
    "status": int,
    "detail": str,
    "code": Literal["already_linked", "amount_too_large", "asset_not_accepted", "authorization_expired", "authorization_not_yet_valid", "body_too_large", "call_refused", "callback_refused", "chain_unavailable", "conflict", "deadline_exceeded", "dependency_unavailable", "dpop_invalid", "dpop_replayed", "dpop_required", "draining", "expired_token", "forbidden", "idempotency_in_progress", "idempotency_key_required", "idempotency_key_reused", "insufficient_funds", "insufficient_scope", "internal_error", "invalid_argument", "invalid_cursor", "invalid_request", "invalid_scope", "invalid_signature", "invalid_token", "job_too_large", "malformed_json", "method_not_allowed", "nonce_reused", "nonce_used", "not_found", "payer_not_accepted", "policy_violation", "precondition_failed", "precondition_required", "queue_full", "rate_limited", "refresh_token_reused", "session_revoked", "signature_malleable", "snet_answer_lost", "snet_payment_refused", "snet_service_error", "step_up_required", "token_revoked", "top_up_mismatch", "transaction_reverted", "unauthenticated", "unsupported_media_type", "wallet_refused", "wallet_stuck", "writes_paused", "wrong_audience", "wrong_chain", "wrong_contract", "wrong_signing_domain"],
    "retry": Literal["same", "later", "elsewhere", "never"],
    "requestId": NotRequired[str],
    "errors": NotRequired[list["ProblemErrorsItem"]],
})
Progress = TypedDict("Progress", {
    "progress": int,
})
PublishedOpportunity = TypedDict("PublishedOpportunity", {
    "id": str,
    "title": str,
    "description": str,
    "criterion": Literal["identity", "data-submissions", "permission-grants", "linked-wallets", "manual"],
    "target": int,
    "reward": "Amount",
    "remaining": Union[int, None],
    "startsAt": str,
    "endsAt": Union[str, None],
})
Quote = TypedDict("Quote", {
    "currency": str,
    "price": str,
    "value": str,
    "quotedAt": str,
    "source": str,
})
ReadersDataItem = TypedDict("ReadersDataItem", {
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "purpose": Union[str, None],
    "from": str,
    "until": Union[str, None],
    "endedBy": Union[Literal["deadline", "revocation", "identity"], None],
})
Readers = TypedDict("Readers", {
    "asOf": "AsOf",
    "day": str,
    "data": list["ReadersDataItem"],
})
RedemptionPayment = TypedDict("RedemptionPayment", {
    "token": str,
    "to": str,
    "from": str,
    "reservedUntil": str,
    "transactionHash": Union[str, None],
})
Redemption = TypedDict("Redemption", {
    "id": str,
    "offerId": str,
    "wallet": str,
    "state": Literal["reserved", "paid", "confirmed", "refunding", "refunded", "expired"],
    "price": "Amount",
    "payment": "RedemptionPayment",
    "settlementId": Union[str, None],
    "reason": Union[str, None],
    "createdAt": str,
    "updatedAt": str,
})
RewardClaim = TypedDict("RewardClaim", {
    "id": str,
    "opportunityId": str,
    "wallet": str,
    "reward": "Amount",
    "transactionId": Union[str, None],
    "claimedAt": str,
})
Scope = Literal["tokens:read", "wallets:read", "wallets:write", "nfts:read", "identities:write", "data:read", "data:write", "permissions:read", "permissions:write", "transactions:read", "transactions:write", "rewards:read", "rewards:claim", "offers:read", "offers:redeem", "offers:manage", "rewards:manage", "usage:read", "usage:write", "clients:manage", "people:any"]
Stage = Literal["pending", "confirmed", "finalized", "reverted"]
Token = TypedDict("Token", {
    "symbol": str,
    "name": str,
    "address": str,
    "decimals": int,
    "chainId": int,
})
TransactionSigner = TypedDict("TransactionSigner", {
    "alias": str,
    "address": Union[str, None],
})
TransactionError = TypedDict("TransactionError", {
    "code": str,
    "message": str,
})
Transaction = TypedDict("Transaction", {
    "id": str,
    "chainId": int,
    "state": Literal["queued", "prepared", "signed", "submitted", "included", "confirmed", "finalized", "rejected", "failed", "cancelled", "replaced"],
    "signer": "TransactionSigner",
    "to": Union[str, None],
    "contract": Union[str, None],
    "function": Union[str, None],
    "args": Union[list[Any], None],
    "value": str,
    "nonce": Union[int, None],
    "hash": Union[str, None],
    "blockNumber": Union[int, None],
    "blockHash": Union[str, None],
    "confirmations": int,
    "error": Union["TransactionError", None],
    "purpose": Union[str, None],
    "createdAt": str,
    "updatedAt": str,
})
Transfer = TypedDict("Transfer", {
    "id": str,
    "token": "Token",
    "direction": Literal["in", "out", "self"],
    "from": str,
    "to": str,
    "amount": "Amount",
    "stage": "Stage",
    "blockNumber": int,
    "blockHash": str,
    "blockTime": str,
    "transactionHash": str,
    "logIndex": int,
})
TypedMessageDomain = TypedDict("TypedMessageDomain", {
    "name": str,
    "version": str,
    "chainId": int,
    "verifyingContract": str,
})
TypedMessageTypesValueItem = TypedDict("TypedMessageTypesValueItem", {
    "name": str,
    "type": str,
})
TypedMessage = TypedDict("TypedMessage", {
    "domain": "TypedMessageDomain",
    "types": dict[str, list["TypedMessageTypesValueItem"]],
    "primaryType": str,
    "message": dict[str, str],
})
UsageDay = TypedDict("UsageDay", {
    "limit": Union[int, None],
    "used": int,
    "resetsAt": str,
})
UsageMonth = TypedDict("UsageMonth", {
    "limit": Union[int, None],
    "used": int,
    "resetsAt": str,
})
UsageDataItem = TypedDict("UsageDataItem", {
    "day": str,
    "operationId": str,
    "requests": int,
    "failed": int,
    "averageMs": int,
})
Usage = TypedDict("Usage", {
    "day": "UsageDay",
    "month": "UsageMonth",
    "analyticsOptOut": bool,
    "data": list["UsageDataItem"],
})
UsageWebhookDataEventsItem = TypedDict("UsageWebhookDataEventsItem", {
    "at": str,
    "caller": str,
    "callerKind": Literal["person", "client", "anonymous"],
    "operationId": str,
    "status": int,
    "durationMs": float,
})
UsageWebhookData = TypedDict("UsageWebhookData", {
    "events": list["UsageWebhookDataEventsItem"],
})
UsageWebhook = TypedDict("UsageWebhook", {
    "type": Literal["usage.recorded"],
    "timestamp": str,
    "data": "UsageWebhookData",
})
Verification = TypedDict("Verification", {
    "address": str,
    "asOf": "AsOf",
    "verified": bool,
    "data": list["Attestation"],
})
Wallet = TypedDict("Wallet", {
    "address": str,
    "label": Union[str, None],
    "proof": Literal["signature", "none"],
    "primary": bool,
    "linkedAt": str,
})
WalletChallenge = TypedDict("WalletChallenge", {
    "message": str,
    "expiresAt": str,
})
ClaimRewardBody = TypedDict("ClaimRewardBody", {
    "wallet": str,
})
CreateClientBody = TypedDict("CreateClientBody", {
    "name": str,
    "scopes": list["Scope"],
    "allowedSigners": NotRequired[list[str]],
    "requestsPerMinute": NotRequired[Union[int, None]],
    "requestsPerDay": NotRequired[Union[int, None]],
    "requestsPerMonth": NotRequired[Union[int, None]],
})
CreateIdentityBody = TypedDict("CreateIdentityBody", {
    "owner": str,
    "kyc": str,
    "tokenUri": str,
    "nonce": str,
    "signature": str,
})
CreateWalletChallengeBody = TypedDict("CreateWalletChallengeBody", {
    "address": str,
})
GetIdentityAnswer = TypedDict("GetIdentityAnswer", {
    "asOf": "AsOf",
    "identity": "Identity",
})
GetNftAnswer = TypedDict("GetNftAnswer", {
    "asOf": "AsOf",
    "nft": "NftStatus",
})
GetNftMetadataAnswer = TypedDict("GetNftMetadataAnswer", {
    "asOf": "AsOf",
    "tokenUri": str,
    "metadata": dict[str, Any],
})
GrantPermissionBody = TypedDict("GrantPermissionBody", {
    "owner": str,
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "expiresInSeconds": str,
    "nonce": str,
    "purpose": NotRequired[str],
    "signature": str,
})
IssueCredentialBody = TypedDict("IssueCredentialBody", {
    "kind": NotRequired[Literal["api-key", "oauth-secret"]],
    "label": NotRequired[Union[str, None]],
    "scopes": NotRequired[Union[list["Scope"], None]],
    "expiresAt": NotRequired[Union[str, None]],
})
LinkWalletBody = TypedDict("LinkWalletBody", {
    "message": str,
    "signature": str,
    "label": NotRequired[str],
})
ListClientsAnswer = TypedDict("ListClientsAnswer", {
    "data": list["ApiClient"],
    "page": "Page",
})
ListConsentRecordsAnswer = TypedDict("ListConsentRecordsAnswer", {
    "data": list["ConsentRecord"],
    "page": "Page",
})
ListCredentialsAnswer = TypedDict("ListCredentialsAnswer", {
    "data": list["Credential"],
    "page": "Page",
})
ListDataSubmissionsAnswer = TypedDict("ListDataSubmissionsAnswer", {
    "asOf": "AsOf",
    "data": list["DataSubmission"],
    "page": "Page",
})
ListEarningOpportunitiesAnswer = TypedDict("ListEarningOpportunitiesAnswer", {
    "data": list["EarningOpportunity"],
    "page": "Page",
})
ListNftsAnswer = TypedDict("ListNftsAnswer", {
    "asOf": "AsOf",
    "data": list["NftHolding"],
    "page": "Page",
})
ListPartnerOffersAnswer = TypedDict("ListPartnerOffersAnswer", {
    "data": list["PartnerOffer"],
    "page": "Page",
})
ListPermissionsAnswer = TypedDict("ListPermissionsAnswer", {
    "asOf": "AsOf",
    "data": list["Permission"],
    "page": "Page",
})
ListRedemptionsAnswer = TypedDict("ListRedemptionsAnswer", {
    "data": list["Redemption"],
    "page": "Page",
})
ListSubmittedTransactionsAnswer = TypedDict("ListSubmittedTransactionsAnswer", {
    "data": list["Transaction"],
    "page": "Page",
})
ListTokensAnswer = TypedDict("ListTokensAnswer", {
    "data": list["Token"],
    "page": "Page",
})
ListTransactionsAnswer = TypedDict("ListTransactionsAnswer", {
    "data": list["Transaction"],
    "page": "Page",
})
ListWalletTransfersAnswer = TypedDict("ListWalletTransfersAnswer", {
    "asOf": "AsOf",
    "data": list["Transfer"],
    "page": "Page",
})
ListWalletsAnswer = TypedDict("ListWalletsAnswer", {
    "data": list["Wallet"],
    "page": "Page",
})
PayRedemptionBody = TypedDict("PayRedemptionBody", {
    "transactionHash": str,
})
PrepareDataSubmissionBody = TypedDict("PrepareDataSubmissionBody", {
    "owner": str,
    "dataHash": str,
})
PrepareIdentityBody = TypedDict("PrepareIdentityBody", {
    "owner": str,
    "kyc": str,
    "tokenUri": str,
})
PreparePermissionBody = TypedDict("PreparePermissionBody", {
    "owner": str,
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "expiresInSeconds": str,
})
PublishEarningOpportunityBody = TypedDict("PublishEarningOpportunityBody", {
    "title": str,
    "description": str,
    "criterion": Literal["identity", "data-submissions", "permission-grants", "linked-wallets", "manual"],
    "target": int,
    "reward": str,
    "maxClaims": NotRequired[Union[int, None]],
    "startsAt": NotRequired[str],
    "endsAt": NotRequired[Union[str, None]],
})
PublishPartnerOfferBody = TypedDict("PublishPartnerOfferBody", {
    "title": str,
    "description": str,
    "price": str,
    "payee": str,
    "stock": NotRequired[Union[int, None]],
    "endsAt": NotRequired[Union[str, None]],
})
RecordProgressBody = TypedDict("RecordProgressBody", {
    "personId": str,
    "amount": int,
})
RedeemPartnerOfferBody = TypedDict("RedeemPartnerOfferBody", {
    "wallet": str,
})
RefuseRedemptionBody = TypedDict("RefuseRedemptionBody", {
    "reason": str,
})
RevokePermissionBody = TypedDict("RevokePermissionBody", {
    "owner": str,
    "dataHash": str,
    "productId": str,
    "requesterId": str,
    "reason": NotRequired[str],
})
RotateCredentialBody = TypedDict("RotateCredentialBody", {
    "overlapSeconds": NotRequired[int],
})
SetAnalyticsBody = TypedDict("SetAnalyticsBody", {
    "optOut": bool,
})
SetAnalyticsAnswer = TypedDict("SetAnalyticsAnswer", {
    "optOut": bool,
})
SubmitDataBody = TypedDict("SubmitDataBody", {
    "owner": str,
    "dataHash": str,
    "nonce": str,
    "signature": str,
})
SubmitTransactionBody = TypedDict("SubmitTransactionBody", {
    "rawTransaction": str,
})
UpdateWalletBody = TypedDict("UpdateWalletBody", {
    "label": NotRequired[Union[str, None]],
    "primary": NotRequired[Literal[True]],
})
WatchWalletBody = TypedDict("WatchWalletBody", {
    "address": str,
    "label": NotRequired[str],
})
