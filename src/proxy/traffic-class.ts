/**
 * Which requests can be turned away first when there is too much to do, and which last. A guess by what the request says
 * of itself, so whoever lies goes later in turn and gains nothing else: this spares a busy site, it is no defence.
 */
import type { GatewayRequest } from './gateway-request.ts';

/** In the order in which they are turned away. `customer`: who is signed in, or has something in a cart. */
export const trafficClasses = ['crawler', 'xmlrpc', 'login', 'search', 'feed', 'page', 'customer'] as const;
export type TrafficClass = (typeof trafficClasses)[number];

/** "bot" at the end of a word, but for a maker of telephones, and what crawls under other names. */
const crawlers = /(?<!\bcu)bot\b|crawler|spider|slurp|scrapy|httrack|ia_archiver|facebookexternalhit|meta-externalagent|bingpreview|mediapartners-google/i;
const logins = /\/(?:wp-login\.php|administrator\/index\.php|loginpost|log-?in|sign-?in)\/?$/i;
const searches = /\/(?:catalog)?search(?:\/|$)/i;
const searchParameters = /(?:^|&)(?:s|search)=/;
const feeds = /\/(?:feed|rss2?|atom)(?:\.xml)?\/?$|\.(?:rss|atom)$/i;
const checkouts = /\/(?:cart|basket|checkout|kasse|warenkorb|panier|carrito)(?:\/|$)/i;
const checkoutParameters = /(?:^|&)(?:add-to-cart|wc-ajax)=/;
const feedParameter = /(?:^|&)feed=/;

/**
 * Names of cookies that stand for a person who is signed in or shops: WordPress, WooCommerce, Drupal, Joomla, Magento,
 * Shopware, Django, "remember me" of Laravel and Rails. Every visitor of a PHP site has PHPSESSID, so it says nothing.
 */
const customerCookies =
  /(?:^|;[ \t]*)(?:wordpress_logged_in_[^=;]*|woocommerce_(?:items_in_cart|cart_hash)|wp_woocommerce_session_[^=;]*|S?SESS[0-9a-f]{32}|joomla_user_state|X-Magento-Vary|sw-states|sessionid|remember_(?:web|user)_[^=;]*)=/;

/** The class of a request. Pure; looks at method, target, and the headers User-Agent, Cookie and Authorization. */
export function classOf(request: Pick<GatewayRequest, 'method' | 'target' | 'header'>): TrafficClass {
  const { method, target } = request;
  const queryAt = target.indexOf('?');
  const path = queryAt < 0 ? target : target.slice(0, queryAt);
  const query = queryAt < 0 ? '' : target.slice(queryAt + 1);
  if (crawlers.test(request.header('user-agent') ?? '')) return 'crawler';
  if (path.endsWith('/xmlrpc.php')) return 'xmlrpc';
  // before logins: who signs in to pay what is in the cart is no flood
  if (customerCookies.test(request.header('cookie') ?? '') || request.header('authorization') !== undefined) return 'customer';
  if (checkouts.test(path) || checkoutParameters.test(query)) return 'customer';
  if (method === 'POST' && logins.test(path)) return 'login';
  if (searches.test(path) || searchParameters.test(query)) return 'search';
  return feeds.test(path) || feedParameter.test(query) ? 'feed' : 'page';
}
