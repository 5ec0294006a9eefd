# Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .core import Transport


class RejuveClient(Transport):
    """One method per operation of the API."""

    def cancel_transaction(self, id: str, *, idempotency_key: str | None = None) -> Any:
        """Cancel a transaction that is not mined yet."""
        return self._call("POST", f"/v1/transactions/{quote(id, safe='')}/cancel", idempotent=True, idempotency_key=idempotency_key)

    def claim_reward(self, id: str, body: Mapping[str, Any], *, person_id: str | None = None, idempotency_key: str | None = None) -> Any:
        """Claim an earned reward."""
        return self._call("POST", f"/v1/earning-opportunities/{quote(id, safe='')}/claim", query={"personId": person_id}, body=body, idempotent=True, idempotency_key=idempotency_key)

    def confirm_redemption(self, id: str) -> Any:
        """Confirm that you delivered; you are paid."""
        return self._call("POST", f"/v1/redemptions/{quote(id, safe='')}/confirm")

    def create_client(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Create an API client."""
        return self._call("POST", "/v1/clients", body=body, idempotent=True, idempotency_key=idempotency_key)

    def create_identity(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Create an identity NFT with the signature of its owner."""
        return self._call("POST", "/v1/identities", body=body, idempotent=True, idempotency_key=idempotency_key)

    def create_transaction(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Ask for a transaction signed by a platform key."""
        return self._call("POST", "/v1/transactions", body=body, idempotent=True, idempotency_key=idempotency_key)

    def create_wallet_challenge(self, body: Mapping[str, Any], *, person_id: str | None = None) -> Any:
        """Get the message that proves a wallet is yours."""
        return self._call("POST", "/v1/wallets/challenge", query={"personId": person_id}, body=body)

    def disable_client(self, client_id: str) -> Any:
        """Disable an API client with all its credentials."""
        return self._call("DELETE", f"/v1/clients/{quote(client_id, safe='')}")

    def get_client(self, client_id: str) -> Any:
        """Read an API client."""
        return self._call("GET", f"/v1/clients/{quote(client_id, safe='')}")

    def get_effective_permission(self, *, data_hash: str, product_id: str, requester_id: str) -> Any:
        """May this requester use this data for this product now, and why."""
        return self._call("GET", "/v1/permissions/effective", query={"dataHash": data_hash, "productId": product_id, "requesterId": requester_id})

    def get_identity(self, address: str) -> Any:
        """Whether a wallet has an identity NFT, and which."""
        return self._call("GET", f"/v1/identities/{quote(address, safe='')}")

    def get_nft(self, contract: str, token_id: str) -> Any:
        """Status of one NFT."""
        return self._call("GET", f"/v1/nfts/{quote(contract, safe='')}/{quote(token_id, safe='')}")

    def get_nft_metadata(self, contract: str, token_id: str) -> Any:
        """Metadata of one NFT."""
        return self._call("GET", f"/v1/nfts/{quote(contract, safe='')}/{quote(token_id, safe='')}/metadata")

    def get_redemption(self, id: str) -> Any:
        """Read a redemption."""
        return self._call("GET", f"/v1/redemptions/{quote(id, safe='')}")

    def get_transaction(self, id: str) -> Any:
        """Read one transaction."""
        return self._call("GET", f"/v1/transactions/{quote(id, safe='')}")

    def get_usage(self, *, from_: str | None = None, to: str | None = None) -> Any:
        """Read your usage and what is left of your quotas."""
        return self._call("GET", "/v1/usage", query={"from": from_, "to": to})

    def get_verification(self, address: str) -> Any:
        """What trusted attesters say about a wallet."""
        return self._call("GET", f"/v1/wallets/{quote(address, safe='')}/verification")

    def get_wallet_balances(self, address: str, *, token: str | None = None, quote: str | None = None) -> Any:
        """Read the token balances of a wallet. Deprecated."""
        return self._call("GET", f"/v1/wallets/{quote(address, safe='')}/balances", query={"token": token, "quote": quote})

    def get_wallet_balances_v2(self, address: str, *, token: str | None = None, quote: str | None = None) -> Any:
        """Read the token balances of a wallet, keyed by token."""
        return self._call("GET", f"/v2/wallets/{quote(address, safe='')}/balances", query={"token": token, "quote": quote})

    def grant_permission(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Grant a permission with the signature of the owner."""
        return self._call("POST", "/v1/permissions", body=body, idempotent=True, idempotency_key=idempotency_key)

    def issue_credential(self, client_id: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Issue an API key or an OAuth secret."""
        return self._call("POST", f"/v1/clients/{quote(client_id, safe='')}/credentials", body=body, idempotent=True, idempotency_key=idempotency_key)

    def link_wallet(self, body: Mapping[str, Any], *, person_id: str | None = None, idempotency_key: str | None = None) -> Any:
        """Link a wallet by proof."""
        return self._call("POST", "/v1/wallets", query={"personId": person_id}, body=body, idempotent=True, idempotency_key=idempotency_key)

    def list_clients(self, *, cursor: str | None = None, limit: int | None = None) -> Any:
        """List API clients."""
        return self._call("GET", "/v1/clients", query={"cursor": cursor, "limit": limit})

    def list_consent_records(self, *, owner: str, cursor: str | None = None, limit: int | None = None) -> Any:
        """List what an owner agreed to and took back, newest first."""
        return self._call("GET", "/v1/permissions/history", query={"owner": owner, "cursor": cursor, "limit": limit})

    def list_credentials(self, client_id: str) -> Any:
        """List the newest hundred credentials of a client, without secrets."""
        return self._call("GET", f"/v1/clients/{quote(client_id, safe='')}/credentials")

    def list_data_submissions(self, *, owner: str, data_hash: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List the data hashes that a wallet submitted, newest first."""
        return self._call("GET", "/v1/data-submissions", query={"owner": owner, "dataHash": data_hash, "cursor": cursor, "limit": limit})

    def list_earning_opportunities(self, *, person_id: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List what RJV can be earned for, and how far you are."""
        return self._call("GET", "/v1/earning-opportunities", query={"personId": person_id, "cursor": cursor, "limit": limit})

    def list_nfts(self, *, owner: str, contract: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List the NFTs of an owner."""
        return self._call("GET", "/v1/nfts", query={"owner": owner, "contract": contract, "cursor": cursor, "limit": limit})

    def list_partner_offers(self, *, cursor: str | None = None, limit: int | None = None) -> Any:
        """List what partners offer for RJV."""
        return self._call("GET", "/v1/partner-offers", query={"cursor": cursor, "limit": limit})

    def list_permissions(self, *, owner: str, data_hash: str | None = None, product_id: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List a wallet's granted permissions, newest first."""
        return self._call("GET", "/v1/permissions", query={"owner": owner, "dataHash": data_hash, "productId": product_id, "cursor": cursor, "limit": limit})

    def list_readers(self, *, owner: str, day: str) -> Any:
        """Who could read what of yours on a day."""
        return self._call("GET", "/v1/permissions/readers", query={"owner": owner, "day": day})

    def list_redemptions(self, *, person_id: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List your redemptions, newest first."""
        return self._call("GET", "/v1/redemptions", query={"personId": person_id, "cursor": cursor, "limit": limit})

    def list_submitted_transactions(self, *, cursor: str | None = None, limit: int | None = None) -> Any:
        """List the transactions you signed and sent, newest first."""
        return self._call("GET", "/v1/transactions/submitted", query={"cursor": cursor, "limit": limit})

    def list_tokens(self) -> Any:
        """List the tokens that the platform knows."""
        return self._call("GET", "/v1/tokens")

    def list_transactions(self, *, state: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List the transactions you asked for, newest first."""
        return self._call("GET", "/v1/transactions", query={"state": state, "cursor": cursor, "limit": limit})

    def list_wallet_transfers(self, address: str, *, token: str | None = None, direction: str | None = None, counterparty: str | None = None, from_time: str | None = None, to_time: str | None = None, from_block: int | None = None, to_block: int | None = None, stage: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
        """List the token transfers of a wallet, newest first."""
        return self._call("GET", f"/v1/wallets/{quote(address, safe='')}/transfers", query={"token": token, "direction": direction, "counterparty": counterparty, "fromTime": from_time, "toTime": to_time, "fromBlock": from_block, "toBlock": to_block, "stage": stage, "cursor": cursor, "limit": limit})

    def list_wallets(self, *, person_id: str | None = None) -> Any:
        """List your linked wallets."""
        return self._call("GET", "/v1/wallets", query={"personId": person_id})

    def pay_redemption(self, id: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Tell the payment of a redemption."""
        return self._call("POST", f"/v1/redemptions/{quote(id, safe='')}/payment", body=body, idempotent=True, idempotency_key=idempotency_key)

    def prepare_data_submission(self, body: Mapping[str, Any]) -> Any:
        """Get the message with which an owner submits a data hash."""
        return self._call("POST", "/v1/data-submissions/prepare", body=body)

    def prepare_identity(self, body: Mapping[str, Any]) -> Any:
        """Get the message with which an owner asks for an identity."""
        return self._call("POST", "/v1/identities/prepare", body=body)

    def prepare_permission(self, body: Mapping[str, Any]) -> Any:
        """Get the message with which an owner grants a permission."""
        return self._call("POST", "/v1/permissions/prepare", body=body)

    def prepare_transaction(self, body: Mapping[str, Any]) -> Any:
        """Prepare a transaction for your own wallet."""
        return self._call("POST", "/v1/transactions/prepare", body=body)

    def publish_earning_opportunity(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Publish an earning opportunity."""
        return self._call("POST", "/v1/earning-opportunities", body=body, idempotent=True, idempotency_key=idempotency_key)

    def publish_partner_offer(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Publish an offer."""
        return self._call("POST", "/v1/partner-offers", body=body, idempotent=True, idempotency_key=idempotency_key)

    def record_progress(self, id: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Add to a person's progress on a manual opportunity."""
        return self._call("POST", f"/v1/earning-opportunities/{quote(id, safe='')}/progress", body=body, idempotent=True, idempotency_key=idempotency_key)

    def redeem_partner_offer(self, id: str, body: Mapping[str, Any], *, person_id: str | None = None, idempotency_key: str | None = None) -> Any:
        """Reserve an offer."""
        return self._call("POST", f"/v1/partner-offers/{quote(id, safe='')}/redemptions", query={"personId": person_id}, body=body, idempotent=True, idempotency_key=idempotency_key)

    def refuse_redemption(self, id: str, body: Mapping[str, Any]) -> Any:
        """Refuse a paid redemption; the person is refunded."""
        return self._call("POST", f"/v1/redemptions/{quote(id, safe='')}/refuse", body=body)

    def revoke_credential(self, client_id: str, credential_id: str) -> Any:
        """Revoke a credential."""
        return self._call("DELETE", f"/v1/clients/{quote(client_id, safe='')}/credentials/{quote(credential_id, safe='')}")

    def revoke_permission(self, body: Mapping[str, Any]) -> Any:
        """Revoke a permission at once."""
        return self._call("POST", "/v1/permissions/revoke", body=body)

    def rotate_credential(self, client_id: str, credential_id: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Issue a successor; the old one ends after an overlap."""
        return self._call("POST", f"/v1/clients/{quote(client_id, safe='')}/credentials/{quote(credential_id, safe='')}/rotate", body=body, idempotent=True, idempotency_key=idempotency_key)

    def set_analytics(self, body: Mapping[str, Any]) -> Any:
        """Leave or rejoin usage analytics."""
        return self._call("PUT", "/v1/usage/analytics", body=body)

    def submit_data(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Submit a data hash with the signature of its owner."""
        return self._call("POST", "/v1/data-submissions", body=body, idempotent=True, idempotency_key=idempotency_key)

    def submit_transaction(self, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Send a transaction that you signed."""
        return self._call("POST", "/v1/transactions/submit", body=body, idempotent=True, idempotency_key=idempotency_key)

    def unlink_wallet(self, address: str, *, person_id: str | None = None) -> Any:
        """Unlink a wallet."""
        return self._call("DELETE", f"/v1/wallets/{quote(address, safe='')}", query={"personId": person_id})

    def update_wallet(self, address: str, body: Mapping[str, Any], *, person_id: str | None = None) -> Any:
        """Label a linked wallet."""
        return self._call("PATCH", f"/v1/wallets/{quote(address, safe='')}", query={"personId": person_id}, body=body)
