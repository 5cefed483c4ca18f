/** @fastify/http-proxy as its README shows it. Arguments: its port, the backend's port. */
import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

const [port, backend] = process.argv.slice(2);
const app = Fastify();
await app.register(httpProxy, { upstream: `http://127.0.0.1:${backend}` });
await app.listen({ host: '127.0.0.1', port: Number(port) });
