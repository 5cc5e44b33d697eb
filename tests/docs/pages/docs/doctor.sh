# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
setup() { in_the_kitchen; }
