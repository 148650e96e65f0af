// SPDX-License-Identifier: Apache-2.0
/**
 * What is counted, and the words and figures it is shown with.
 *
 * <p>Counters are written by the one thread that owns the thing counted and read by any: {@link
 * dev.sluice.metrics.Counter}. {@link dev.sluice.metrics.RunCounters} has all of a running topology; a {@link
 * dev.sluice.metrics.Summary} is what they came to.
 */
@NullMarked
package dev.sluice.metrics;

import org.jspecify.annotations.NullMarked;
