export { ApiError, type ClientOptions, type Page, paginate, type RequestOptions } from './core.ts';
export * from './generated/client.ts';
export { verifyWebhook, WebhookError } from './webhooks.ts';
