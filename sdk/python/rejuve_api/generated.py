# Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Union, cast
from urllib.parse import quote as _quote

from . import types as t
from .core import Event, Transport


class RejuveClient(Transport):
    """One method per operation of the API."""

    def cancel_transaction(self, id: str, *, idempotency_key: str | None = None) -> t.Transaction:
        """Cancel a transaction that is not mined yet."""
        return cast("t.Transaction", self._call("POST", f"/v1/transactions/{_quote(id, safe='')}/cancel", idempotent=True, idempotency_key=idempotency_key))

    def claim_reward(self, id: str, body: t.ClaimRewardBody, *, person_id: str | None = None, idempotency_key: str | None = None) -> t.RewardClaim:
        """Claim an earned reward."""
        return cast("t.RewardClaim", self._call("POST", f"/v1/earning-opportunities/{_quote(id, safe='')}/claim", query={"personId": person_id}, body=body, idempotent=True, idempotency_key=idempotency_key))

    def confirm_redemption(self, id: str) -> t.Redemption:
        """Confirm that you delivered; you are paid."""
        return cast("t.Redemption", self._call("POST", f"/v1/redemptions/{_quote(id, safe='')}/confirm"))

    def create_client(self, body: t.CreateClientBody, *, idempotency_key: str | None = None) -> t.ApiClient:
        """Create an API client."""
        return cast("t.ApiClient", self._call("POST", "/v1/clients", body=body, idempotent=True, idempotency_key=idempotency_key))

    def create_identity(self, body: t.CreateIdentityBody, *, idempotency_key: str | None = None) -> t.Transaction:
        """Create an identity NFT with the signature of its owner."""
        return cast("t.Transaction", self._call("POST", "/v1/identities", body=body, idempotent=True, idempotency_key=idempotency_key))

    def create_transaction(self, body: t.CreateTransaction, *, idempotency_key: str | None = None) -> t.Transaction:
        """Ask for a transaction signed by a platform key."""
        return cast("t.Transaction", self._call("POST", "/v1/transactions", body=body, idempotent=True, idempotency_key=idempotency_key))

    def create_wallet_challenge(self, body: t.CreateWalletChallengeBody, *, person_id: str | None = None) -> t.WalletChallenge:
        """Get the message that proves a wallet is yours."""
        return cast("t.WalletChallenge", self._call("POST", "/v1/wallets/challenge", query={"personId": person_id}, body=body))

    def disable_client(self, client_id: str) -> None:
        """Disable an API client with all its credentials."""
        self._call("DELETE", f"/v1/clients/{_quote(client_id, safe='')}")

    def get_client(self, client_id: str) -> t.ApiClient:
        """Read an API client."""
        return cast("t.ApiClient", self._call("GET", f"/v1/clients/{_quote(client_id, safe='')}"))

    def get_effective_permission(self, *, data_hash: str, product_id: str, requester_id: str) -> t.EffectivePermission:
        """May this requester use this data for this product now, and why."""
        return cast("t.EffectivePermission", self._call("GET", "/v1/permissions/effective", query={"dataHash": data_hash, "productId": product_id, "requesterId": requester_id}))

    def get_identity(self, address: str) -> t.GetIdentityAnswer:
        """Whether a wallet has an identity NFT, and which."""
        return cast("t.GetIdentityAnswer", self._call("GET", f"/v1/identities/{_quote(address, safe='')}"))

    def get_nft(self, contract: str, token_id: str) -> t.GetNftAnswer:
        """Status of one NFT."""
        return cast("t.GetNftAnswer", self._call("GET", f"/v1/nfts/{_quote(contract, safe='')}/{_quote(token_id, safe='')}"))

    def get_nft_metadata(self, contract: str, token_id: str) -> t.GetNftMetadataAnswer:
        """Metadata of one NFT."""
        return cast("t.GetNftMetadataAnswer", self._call("GET", f"/v1/nfts/{_quote(contract, safe='')}/{_quote(token_id, safe='')}/metadata"))

    def get_redemption(self, id: str) -> t.Redemption:
        """Read a redemption."""
        return cast("t.Redemption", self._call("GET", f"/v1/redemptions/{_quote(id, safe='')}"))

    def get_transaction(self, id: str) -> t.Transaction:
        """Read one transaction."""
        return cast("t.Transaction", self._call("GET", f"/v1/transactions/{_quote(id, safe='')}"))

    def get_usage(self, *, from_: str | None = None, to: str | None = None) -> t.Usage:
        """Read your usage and what is left of your quotas."""
        return cast("t.Usage", self._call("GET", "/v1/usage", query={"from": from_, "to": to}))

    def get_verification(self, address: str) -> t.Verification:
        """What trusted attesters say about a wallet."""
        return cast("t.Verification", self._call("GET", f"/v1/wallets/{_quote(address, safe='')}/verification"))

    def get_wallet_balances(self, address: str, *, token: str | None = None, quote: str | None = None) -> t.Balances:
        """Read the token balances of a wallet. Deprecated."""
        return cast("t.Balances", self._call("GET", f"/v1/wallets/{_quote(address, safe='')}/balances", query={"token": token, "quote": quote}))

    def get_wallet_balances_v2(self, address: str, *, token: str | None = None, quote: str | None = None) -> t.BalancesV2:
        """Read the token balances of a wallet, keyed by token."""
        return cast("t.BalancesV2", self._call("GET", f"/v2/wallets/{_quote(address, safe='')}/balances", query={"token": token, "quote": quote}))

    def grant_permission(self, body: t.GrantPermissionBody, *, idempotency_key: str | None = None) -> t.Transaction:
        """Grant a permission with the signature of the owner."""
        return cast("t.Transaction", self._call("POST", "/v1/permissions", body=body, idempotent=True, idempotency_key=idempotency_key))

    def issue_credential(self, client_id: str, body: t.IssueCredentialBody, *, idempotency_key: str | None = None) -> t.IssuedCredential:
        """Issue an API key or an OAuth secret."""
        return cast("t.IssuedCredential", self._call("POST", f"/v1/clients/{_quote(client_id, safe='')}/credentials", body=body, idempotent=True, idempotency_key=idempotency_key))

    def link_wallet(self, body: t.LinkWalletBody, *, person_id: str | None = None, idempotency_key: str | None = None) -> t.Wallet:
        """Link a wallet by proof."""
        return cast("t.Wallet", self._call("POST", "/v1/wallets", query={"personId": person_id}, body=body, idempotent=True, idempotency_key=idempotency_key))

    def list_clients(self, *, cursor: str | None = None, limit: int | None = None) -> t.ListClientsAnswer:
        """List API clients."""
        return cast("t.ListClientsAnswer", self._call("GET", "/v1/clients", query={"cursor": cursor, "limit": limit}))

    def list_consent_records(self, *, owner: str, cursor: str | None = None, limit: int | None = None) -> t.ListConsentRecordsAnswer:
        """List what an owner agreed to and took back, newest first."""
        return cast("t.ListConsentRecordsAnswer", self._call("GET", "/v1/permissions/history", query={"owner": owner, "cursor": cursor, "limit": limit}))

    def list_credentials(self, client_id: str) -> t.ListCredentialsAnswer:
        """List the newest hundred credentials of a client, without secrets."""
        return cast("t.ListCredentialsAnswer", self._call("GET", f"/v1/clients/{_quote(client_id, safe='')}/credentials"))

    def list_data_submissions(self, *, owner: str, data_hash: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListDataSubmissionsAnswer:
        """List the data hashes that a wallet submitted, newest first."""
        return cast("t.ListDataSubmissionsAnswer", self._call("GET", "/v1/data-submissions", query={"owner": owner, "dataHash": data_hash, "cursor": cursor, "limit": limit}))

    def list_earning_opportunities(self, *, person_id: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListEarningOpportunitiesAnswer:
        """List what RJV can be earned for, and how far you are."""
        return cast("t.ListEarningOpportunitiesAnswer", self._call("GET", "/v1/earning-opportunities", query={"personId": person_id, "cursor": cursor, "limit": limit}))

    def list_nfts(self, *, owner: str, contract: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListNftsAnswer:
        """List the NFTs of an owner."""
        return cast("t.ListNftsAnswer", self._call("GET", "/v1/nfts", query={"owner": owner, "contract": contract, "cursor": cursor, "limit": limit}))

    def list_partner_offers(self, *, cursor: str | None = None, limit: int | None = None) -> t.ListPartnerOffersAnswer:
        """List what partners offer for RJV."""
        return cast("t.ListPartnerOffersAnswer", self._call("GET", "/v1/partner-offers", query={"cursor": cursor, "limit": limit}))

    def list_permissions(self, *, owner: str, data_hash: str | None = None, product_id: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListPermissionsAnswer:
        """List a wallet's granted permissions, newest first."""
        return cast("t.ListPermissionsAnswer", self._call("GET", "/v1/permissions", query={"owner": owner, "dataHash": data_hash, "productId": product_id, "cursor": cursor, "limit": limit}))

    def list_readers(self, *, owner: str, day: str) -> t.Readers:
        """Who could read what of yours on a day."""
        return cast("t.Readers", self._call("GET", "/v1/permissions/readers", query={"owner": owner, "day": day}))

    def list_redemptions(self, *, person_id: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListRedemptionsAnswer:
        """List your redemptions, newest first."""
        return cast("t.ListRedemptionsAnswer", self._call("GET", "/v1/redemptions", query={"personId": person_id, "cursor": cursor, "limit": limit}))

    def list_submitted_transactions(self, *, cursor: str | None = None, limit: int | None = None) -> t.ListSubmittedTransactionsAnswer:
        """List the transactions you signed and sent, newest first."""
        return cast("t.ListSubmittedTransactionsAnswer", self._call("GET", "/v1/transactions/submitted", query={"cursor": cursor, "limit": limit}))

    def list_tokens(self) -> t.ListTokensAnswer:
        """List the tokens that the platform knows."""
        return cast("t.ListTokensAnswer", self._call("GET", "/v1/tokens"))

    def list_transactions(self, *, state: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListTransactionsAnswer:
        """List the transactions you asked for, newest first."""
        return cast("t.ListTransactionsAnswer", self._call("GET", "/v1/transactions", query={"state": state, "cursor": cursor, "limit": limit}))

    def list_wallet_transfers(self, address: str, *, token: str | None = None, direction: str | None = None, counterparty: str | None = None, from_time: str | None = None, to_time: str | None = None, from_block: int | None = None, to_block: int | None = None, stage: str | None = None, cursor: str | None = None, limit: int | None = None) -> t.ListWalletTransfersAnswer:
        """List the token transfers of a wallet, newest first."""
        return cast("t.ListWalletTransfersAnswer", self._call("GET", f"/v1/wallets/{_quote(address, safe='')}/transfers", query={"token": token, "direction": direction, "counterparty": counterparty, "fromTime": from_time, "toTime": to_time, "fromBlock": from_block, "toBlock": to_block, "stage": stage, "cursor": cursor, "limit": limit}))

    def list_wallets(self, *, person_id: str | None = None) -> t.ListWalletsAnswer:
        """List your linked and watched wallets."""
        return cast("t.ListWalletsAnswer", self._call("GET", "/v1/wallets", query={"personId": person_id}))

    def pay_redemption(self, id: str, body: t.PayRedemptionBody, *, idempotency_key: str | None = None) -> t.Redemption:
        """Tell the payment of a redemption."""
        return cast("t.Redemption", self._call("POST", f"/v1/redemptions/{_quote(id, safe='')}/payment", body=body, idempotent=True, idempotency_key=idempotency_key))

    def prepare_data_submission(self, body: t.PrepareDataSubmissionBody) -> t.TypedMessage:
        """Get the message with which an owner submits a data hash."""
        return cast("t.TypedMessage", self._call("POST", "/v1/data-submissions/prepare", body=body))

    def prepare_identity(self, body: t.PrepareIdentityBody) -> t.TypedMessage:
        """Get the message with which an owner asks for an identity."""
        return cast("t.TypedMessage", self._call("POST", "/v1/identities/prepare", body=body))

    def prepare_permission(self, body: t.PreparePermissionBody) -> t.TypedMessage:
        """Get the message with which an owner grants a permission."""
        return cast("t.TypedMessage", self._call("POST", "/v1/permissions/prepare", body=body))

    def prepare_transaction(self, body: t.PrepareTransaction) -> t.PreparedTransaction:
        """Prepare a transaction for your own wallet."""
        return cast("t.PreparedTransaction", self._call("POST", "/v1/transactions/prepare", body=body))

    def publish_earning_opportunity(self, body: t.PublishEarningOpportunityBody, *, idempotency_key: str | None = None) -> t.PublishedOpportunity:
        """Publish an earning opportunity."""
        return cast("t.PublishedOpportunity", self._call("POST", "/v1/earning-opportunities", body=body, idempotent=True, idempotency_key=idempotency_key))

    def publish_partner_offer(self, body: t.PublishPartnerOfferBody, *, idempotency_key: str | None = None) -> t.PartnerOffer:
        """Publish an offer."""
        return cast("t.PartnerOffer", self._call("POST", "/v1/partner-offers", body=body, idempotent=True, idempotency_key=idempotency_key))

    def record_progress(self, id: str, body: t.RecordProgressBody, *, idempotency_key: str | None = None) -> t.Progress:
        """Add to a person's progress on a manual opportunity."""
        return cast("t.Progress", self._call("POST", f"/v1/earning-opportunities/{_quote(id, safe='')}/progress", body=body, idempotent=True, idempotency_key=idempotency_key))

    def redeem_partner_offer(self, id: str, body: t.RedeemPartnerOfferBody, *, person_id: str | None = None, idempotency_key: str | None = None) -> t.Redemption:
        """Reserve an offer."""
        return cast("t.Redemption", self._call("POST", f"/v1/partner-offers/{_quote(id, safe='')}/redemptions", query={"personId": person_id}, body=body, idempotent=True, idempotency_key=idempotency_key))

    def refuse_redemption(self, id: str, body: t.RefuseRedemptionBody) -> t.Redemption:
        """Refuse a paid redemption; the person is refunded."""
        return cast("t.Redemption", self._call("POST", f"/v1/redemptions/{_quote(id, safe='')}/refuse", body=body))

    def revoke_credential(self, client_id: str, credential_id: str) -> None:
        """Revoke a credential."""
        self._call("DELETE", f"/v1/clients/{_quote(client_id, safe='')}/credentials/{_quote(credential_id, safe='')}")

    def revoke_permission(self, body: t.RevokePermissionBody) -> t.ConsentRecord:
        """Revoke a permission at once."""
        return cast("t.ConsentRecord", self._call("POST", "/v1/permissions/revoke", body=body))

    def rotate_credential(self, client_id: str, credential_id: str, body: t.RotateCredentialBody, *, idempotency_key: str | None = None) -> t.IssuedCredential:
        """Issue a successor; the old one ends after an overlap."""
        return cast("t.IssuedCredential", self._call("POST", f"/v1/clients/{_quote(client_id, safe='')}/credentials/{_quote(credential_id, safe='')}/rotate", body=body, idempotent=True, idempotency_key=idempotency_key))

    def set_analytics(self, body: t.SetAnalyticsBody) -> t.SetAnalyticsAnswer:
        """Leave or rejoin usage analytics."""
        return cast("t.SetAnalyticsAnswer", self._call("PUT", "/v1/usage/analytics", body=body))

    def stream_transaction(self, id: str, *, last_event_id: str | None = None) -> Iterator[Event[t.Transaction]]:
        """Follow the states of a transaction: every event as it comes, over lost connections, until the server has no more."""
        return self._stream(f"/v1/transactions/{_quote(id, safe='')}/events", last_event_id)

    def submit_data(self, body: t.SubmitDataBody, *, idempotency_key: str | None = None) -> t.Transaction:
        """Submit a data hash with the signature of its owner."""
        return cast("t.Transaction", self._call("POST", "/v1/data-submissions", body=body, idempotent=True, idempotency_key=idempotency_key))

    def submit_transaction(self, body: t.SubmitTransactionBody, *, idempotency_key: str | None = None) -> t.Transaction:
        """Send a transaction that you signed."""
        return cast("t.Transaction", self._call("POST", "/v1/transactions/submit", body=body, idempotent=True, idempotency_key=idempotency_key))

    def unlink_wallet(self, address: str, *, person_id: str | None = None) -> None:
        """Unlink a wallet, or stop watching it."""
        self._call("DELETE", f"/v1/wallets/{_quote(address, safe='')}", query={"personId": person_id})

    def update_wallet(self, address: str, body: t.UpdateWalletBody, *, person_id: str | None = None) -> t.Wallet:
        """Label a wallet, or make it the primary one."""
        return cast("t.Wallet", self._call("PATCH", f"/v1/wallets/{_quote(address, safe='')}", query={"personId": person_id}, body=body))

    def watch_wallet(self, body: t.WatchWalletBody, *, person_id: str | None = None) -> t.Wallet:
        """Watch a wallet without proof."""
        return cast("t.Wallet", self._call("POST", "/v1/wallets/watch", query={"personId": person_id}, body=body))
