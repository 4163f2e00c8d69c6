/* SPDX-License-Identifier: MIT */
/* Catch2 2 has its main() in the header; version 3 has a library for it. */
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
