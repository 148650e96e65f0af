// SPDX-License-Identifier: Apache-2.0
/** How fast filters look at their data, each next to a loop that only reads it. Run by {@code benchmarks/filters}. */
@NullMarked
package dev.sluice.benchmarks;

import org.jspecify.annotations.NullMarked;
