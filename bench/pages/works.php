<?php // A fixed amount of work: ?n= rounds, calibrated by the benchmark to take about a millisecond. Answers the microseconds.
header('Content-Type: text/plain');
$began = hrtime(true);
$hash = '';
for ($left = (int) ($_GET['n'] ?? 1000); $left > 0; $left--) {
    $hash = md5($hash . $left);
}
echo intdiv(hrtime(true) - $began, 1000);
