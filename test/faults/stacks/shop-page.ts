/** The shop's pages: they speak to MariaDB by PHP's own client, to Redis in its protocol, and to an HTTP service. */

export interface ShopParts {
  /** MariaDB's socket, Redis' socket, the HTTP service's port. */
  readonly mariadb: string;
  readonly redis: string;
  readonly api: number;
}

/** Answers 200 when all three have done their part; `?sleep=` lets the query take so many seconds. Errors are PHP's own. */
export function shopPage({ mariadb, redis, api }: ShopParts): string {
  return `<?php
header('Content-Type: text/plain');
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function redis(string ...$words): string {
  static $to = null;
  $to ??= stream_socket_client('unix://${redis}', $code, $text, 2) ?: throw new RuntimeException("connection to Redis failed: $text");
  stream_set_timeout($to, 2);
  fwrite($to, '*' . count($words) . "\\r\\n" . implode('', array_map(fn($word) => '$' . strlen($word) . "\\r\\n$word\\r\\n", $words)));
  $answer = fgets($to);
  if ($answer === false) throw new RuntimeException('read error on connection to Redis');
  if ($answer[0] === '-') throw new RuntimeException(trim(substr($answer, 1)));
  return trim($answer);
}

$db = new mysqli('localhost', 'shop', trim(file_get_contents(__DIR__ . '/../data/password')), 'shop', 0, '${mariadb}');
$price = $db->query('select price' . (isset($_GET['sleep']) ? ', sleep(' . (float) $_GET['sleep'] . ')' : '') . ' from articles where id = 1')->fetch_row()[0];
redis('SET', 'session:' . getmypid(), 'cart');
$stock = file_get_contents('http://127.0.0.1:${api}/stock', false, stream_context_create(['http' => ['timeout' => 2]]));
if ($stock === false) throw new RuntimeException('the stock service does not answer');
echo "sold for $price";
`;
}
