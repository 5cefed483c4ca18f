/** http-proxy as its README shows it, with connections that are kept. Arguments: its port, the backend's port. */
import { Agent } from 'node:http';
import { createRequire } from 'node:module';

interface ProxyServer {
  listen(port: number, host: string): void;
  on(event: 'error', listener: () => void): void;
}
// it ships no types
const httpProxy = createRequire(import.meta.url)('http-proxy') as { createProxyServer(options: object): ProxyServer };

const [port, backend] = process.argv.slice(2);
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${backend}`, agent: new Agent({ keepAlive: true }) });
proxy.on('error', () => undefined);
proxy.listen(Number(port), '127.0.0.1');
