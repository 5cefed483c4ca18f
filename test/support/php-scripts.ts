/** Small PHP programs, named by behaviour. Each is the text of a file in a docroot. */

/** Answers at once. */
export const answersHello = '<?php header("Content-Type: text/plain"); echo "hello";';

/** Sleeps for `?ms=`, then answers; 5 s without it. */
export const answersLate = '<?php usleep(1000 * (int) ($_GET["ms"] ?? 5000)); header("Content-Type: text/plain"); echo "late";';

/** Echoes method, query and the body's length and SHA-1: what reached PHP. */
export const echoesTheRequest = `<?php
header("Content-Type: application/json");
$body = file_get_contents("php://input");
echo json_encode(["method" => $_SERVER["REQUEST_METHOD"], "query" => $_SERVER["QUERY_STRING"], "length" => strlen($body), "sha1" => sha1($body)]);`;

/**
 * Appends `?id=` and the method to `file`, *before* it works for `workMs` and answers: an execution that was cut in the
 * middle is in the file too. One O_APPEND write a line, so lines of several workers never mix.
 */
export function recordsEachExecution(file: string, workMs: number): string {
  return `<?php
file_put_contents(${JSON.stringify(file)}, $_SERVER["REQUEST_METHOD"] . " " . ($_GET["id"] ?? "-") . "\\n", FILE_APPEND);
usleep(${Math.round(workMs * 1000)});
header("Content-Type: text/plain");
echo $_GET["id"] ?? "-";`;
}
