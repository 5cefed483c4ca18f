/**
 * What goodgateway has to do, cell by cell, written down before the code that does it. `npm run matrix` fails when a
 * cell differs, and `npm test` checks the same cells over TCP and unix sockets.
 *
 * A cell: the status that the client saw (`100+200` with an interim one, `closed` for no status at all), `!` for an
 * answer that visibly broke off, the error that Proxy-Status names (RFC 9209; none: the backend's own answer), `xN` for
 * how often the backend saw the request (`x2+`: at least), and in brackets what it saw of the framing. A list means
 * that each of its cells is as good. `cut` is any end that cannot be taken for a page: `200!`, `closed`, or nginx's 502.
 */

/** One or several cells that are right. */
export type Cells = string | readonly string[];

export interface ExpectedRow {
  readonly get: Cells;
  readonly post: Cells;
  /** Why this and nothing else. */
  readonly why: string;
  /** Where a unix socket can only show something else; for both methods. */
  readonly unix?: Cells;
}

/** With `hold.for`, `timeouts.connect`, `timeouts.response` and `timeouts.idle` of one second. */
export const failures = {
  'port closed': {
    ...both('503 connection_refused x0', 'not sent, so it waits for hold.for; then the exact kind is named, and 503 is the status of every page of ours'),
    // the socket's file is gone, which is another kind
    unix: '503 destination_unavailable x0',
  },
  'connect never answered': { ...both('503 connection_timeout x0', 'as above; a full unix backlog says so at once'), unix: '503 destination_unavailable x0' },
  'FIN, 0 bytes': idempotentTwice('connection_terminated', 'sent, so only what is idempotent goes out once more'),
  'RST, 0 bytes': idempotentTwice('connection_terminated', 'sent, so only what is idempotent goes out once more'),
  'junk text': both('503 http_protocol_error x1', 'a wrong port stays one: asking again changes nothing, and junk is never shown as an answer'),
  'half header, FIN': idempotentTwice('http_response_incomplete', 'nothing of the answer was passed on'),
  '40 kB header': both('200 x1', 'below the limit of 64 KiB for a field'),
  'Content-Length 2 and 3': both('503 http_protocol_error x1', 'RFC 9112 section 6.3: two readers would see two answers'),
  'Content-Length + chunked': both('503 http_response_transfer_coding x1', 'the same; there is no opt-in for leniency'),
  'LF-only header lines': both('200 x1', 'old CGI programs send it; the lines are repaired'),
  'never answers': both('503 http_response_timeout x1', 'never again without replay.after_timeout: the request may be the cause'),
  'body cut (length known)': both('200! x1', 'the head was passed on'),
  'chunked body cut': both('200! x1', 'a clean end would look like the whole answer'),
  'RST mid-body': both('200! x1', 'the head was passed on'),
  'stall mid-body': both('200! x1', 'timeouts.idle is over'),
  'RST, length by close': both('200! x1', 'a reset is no proper end of an answer that lasts until close'),
  '503 + Retry-After: 7': both('503 x1', 'the application answered; replay.statuses is empty'),
} satisfies Record<string, ExpectedRow>;

/** The backend is back after 3 s; a request that waited is answered at most 100 ms after that. A: never sent. B: received at once, reset after 0.5 s. */
export const restartGap = {
  'A GET': '200 x1',
  'A POST + body': '200 x1',
  'B GET': '200 x2',
  // and the page says so
  'B POST + body': '503 connection_terminated x1 [may have been processed]',
  // replay.idempotency_key is on; it waits for the restart, too
  'B POST + body + Idempotency-Key': '200 x2',
} satisfies Record<string, Cells>;

/** The backend answers a first request, keeps the connection, and closes it on receiving the second one. */
export const keepaliveRace = {
  // one free replay on a fresh connection; x1 would mean that connections are not kept
  GET: '200 x2',
  // never sent twice: an honest failure, or no kept connection for a POST in the first place
  'POST, empty': ['503 connection_terminated x1', '200 x1'],
  'POST + body': ['503 connection_terminated x1', '200 x1'],
} satisfies Record<string, Cells>;

/** `get` and `post` through nginx's fastcgi_pass; goodgateway's own records must say the same unless `own` differs. */
export const fastcgi = {
  'FIN at once': idempotentTwice('connection_terminated', 'sent, so only what is idempotent goes out once more'),
  'RST at once': idempotentTwice('connection_terminated', 'the same'),
  'END_REQUEST only': idempotentTwice('http_response_incomplete', 'a complete end of no answer: an empty 200 would be a lie'),
  'END_REQUEST, OVERLOADED': both('503 destination_unavailable x2+', 'the backend says that it did not take it: any method is asked again until hold.for is over'),
  'END_REQUEST, CANT_MPX_CONN': both('503 destination_unavailable x2+', 'the same'),
  'END_REQUEST, UNKNOWN_ROLE': both('503 http_protocol_error x1', 'it will not learn the role by being asked again'),
  'STDERR only, appStatus 0': idempotentTwice('http_response_incomplete', 'as END_REQUEST only'),
  'STDERR only, appStatus 255': idempotentTwice('http_response_incomplete', 'as END_REQUEST only'),
  'partial, FIN': both('cut x1', 'no END_REQUEST: the worker died'),
  'partial, RST': both('cut x1', 'the same'),
  'partial, wrong version': both('cut x1', 'what follows cannot be read'),
  'partial, appStatus 255': both('200 x1', 'REQUEST_COMPLETE is the backend’s word that all was said; nobody else can know'),
  'partial, OVERLOADED': both('cut x1', 'an END_REQUEST that does not say REQUEST_COMPLETE'),
  'Content-Length 100, 7 bytes, FIN': both('cut x1', 'shorter than announced'),
  'Content-Length 100, 7 bytes, END_REQUEST': both('cut x1', 'shorter than announced, whatever END_REQUEST says'),
  'full body, appStatus 255': both('200 x1', 'complete; the exit status is for the diagnosis'),
  'head cut, FIN': idempotentTwice('http_response_incomplete', 'nothing of the answer was passed on'),
  'head without blank line, END_REQUEST': idempotentTwice('http_response_incomplete', 'the same'),
  'HTTP text': both('503 http_protocol_error x1', 'a wrong port stays one'),
  'wrong version': both('503 http_protocol_error x1', 'the same'),
  'unknown record type': both('503 http_protocol_error x1', 'a stream that is not understood is not guessed at'),
  'wrong request id': both('503 http_protocol_error x1', 'somebody else’s answer'),
  // nginx refuses it by its own fastcgi_buffer_size, of 4 or 8 KiB
  '40 kB header': { ...both('502 x1', 'goodgateway passes it on; nginx has its own, smaller limit'), own: '200 x1' },
  'stall mid-body': both('cut x1', 'timeouts.idle is over'),
} satisfies Record<string, ExpectedRow & { readonly own?: Cells }>;

const refused = '400 http_request_error x0';
const refusedCoding = [refused, '501 http_request_error x0'];
const refusedVersion = [refused, '505 http_request_error x0'];
/** The head may be on its way before the body turns out to be broken; the backend must never see a complete request. */
const refusedInBody = [refused, '400 http_request_error x1 [TE unfinished]'];

/** Framing must have one meaning: refused, or forwarded in a normal form. */
export const smuggling = {
  'CL + TE: chunked': refused,
  'TE: chunked, identity': refusedCoding,
  'TE: identity, chunked': refusedCoding,
  'TE: xchunked': refusedCoding,
  'TE: "\\x0bchunked"': refusedCoding,
  'TE twice (chunked, chunked)': refusedCoding,
  'TE in HTTP/1.0': refused,
  'CL twice, same': refused,
  'CL twice, different': refused,
  'CL: 2, 2 (list)': refused,
  'CL: +2': refused,
  'CL: 0x2': refused,
  'CL: 2 (sp) a': refused,
  'CL empty': refused,
  'CL: -1': refused,
  '"Content-Length :" space before colon': refused,
  '" Host" leading space, first header': refused,
  'obs-fold': refused,
  'bare LF line ends': refused,
  'bare LF, one header': refused,
  'bare CR in value': refused,
  'NUL in value': refused,
  // never a length of its own; forwarded as it is, or dropped as nginx does
  'header name with _ (Content_Length: 5)': ['200 x1 [CL=2 _]', '200 x1 [CL=2]'],
  // an extension never reaches the backend
  'chunk extension': ['200 x1 [TE]', '200 x1 [CL=2]'],
  'chunk extension with bare LF': refusedInBody,
  'chunk size with bare LF': refusedInBody,
  'chunk data, no CRLF after': refusedInBody,
  'chunk size 0x2': refusedInBody,
  'chunk size +2': refusedInBody,
  'chunk size overflow': [...refusedInBody, '413 http_request_error x0', '413 http_request_error x1 [TE unfinished]'],
  'final chunk, LF only': refusedInBody,
  // framing fields in trailers are dropped, or the request is refused
  'trailer Content-Length': [...refusedInBody, '200 x1 [TE]', '200 x1 [CL=2]'],
  'two Host': refused,
  'no Host': refused,
  // RFC 9112 section 3.2.2: the target's host is the one; refusing is as safe
  'absolute-form, other Host': ['200 x1 [Host=target]', refused],
  // an end-to-end name is not removed because Connection names it
  'Connection: X-Forwarded-For': ['200 x1 [XFF]', refused],
  'Connection: Content-Length': ['200 x1 [CL=2]', refused],
  'GET with body (CL)': '200 x1 [CL=2]',
  'HTTP/1.2': refusedVersion,
  'HTTP/2.0 in text': refusedVersion,
  'HTTP/0.9': refusedVersion,
  'GET *': refused,
  'OPTIONS *': '200 x1 [target=*]',
  'tab between method and target': refused,
  // RFC 9112 section 2.2 asks to ignore it; it has one meaning either way
  'leading CRLF': ['200 x1', refused],
  'Expect: 100-continue': ['100+200 x1 [CL=2 Expect]', '100+200 x1 [CL=2]'],
  'Expect: bogus': '417 http_request_error x0',
  // an offer that nobody has to accept, and not passed on: the backend would change the protocol below us
  'Upgrade: h2c': '200 x1',
} satisfies Record<string, Cells>;

function both(cells: Cells, why: string): ExpectedRow {
  return { get: cells, post: cells, why };
}

/** A GET once more after a moment; a POST, which may have been executed, never. */
function idempotentTwice(kind: string, why: string): ExpectedRow {
  return { get: `503 ${kind} x2`, post: `503 ${kind} x1`, why };
}
