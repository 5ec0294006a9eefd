export {
  ApiError,
  type ClientOptions,
  type Page,
  paginate,
  type RequestOptions,
  type StreamEvent,
  type StreamOptions,
} from './core.ts';
export * from './generated/client.ts';
export { verifyWebhook, WebhookError } from './webhooks.ts';
