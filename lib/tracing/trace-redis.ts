import type { Redis } from 'ioredis';
import { startChild } from './tracer.ts';

/** Makes a span of every command of a traced request. Keys and values stay out: they may name people. */
export function traceRedis(redis: Redis): void {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = ((command: Parameters<typeof send>[0], stream?: Parameters<typeof send>[1]) => {
    const operation = command.name.toUpperCase();
    const span = startChild(`${operation} redis`, {
      kind: 'client',
      attributes: { 'db.system.name': 'redis', 'db.operation.name': operation },
    });
    if (span !== undefined) {
      command.promise.then(
        () => span.end(),
        (error: unknown) => span.end(error),
      );
    }
    return send(command, stream);
  }) as typeof redis.sendCommand;
}
