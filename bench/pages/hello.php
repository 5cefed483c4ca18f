<?php // The smallest page: everything else is the cost of the way to it.
header('Content-Type: text/plain');
echo 'hello';
