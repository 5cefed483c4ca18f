<?php
header('Cache-Control: no-store');
header('Content-Type: text/plain; charset=utf-8');
echo 'Answered by php-fpm in container ', gethostname(), ' at ', date('H:i:s'), ".\n";
