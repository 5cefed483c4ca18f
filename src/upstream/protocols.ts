export { http } from './http.ts';
export { fastcgi } from './fastcgi/exchange.ts';
