// SPDX-License-Identifier: Apache-2.0
/**
 * Runs all rivals in turn against one receiver, and says how fast each was and what processor time it took. Run by {@code
 * benchmarks/run}, which compiles the programs in C and pins the congestion control; {@link
 * dev.sluice.benchmarks.compare.Comparison} is where it begins, {@link dev.sluice.benchmarks.compare.Rivals} the list.
 */
@NullMarked
package dev.sluice.benchmarks.compare;

import org.jspecify.annotations.NullMarked;
