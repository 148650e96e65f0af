// SPDX-License-Identifier: Apache-2.0
/**
 * What the JVM offers to send a ring of buffers with, each run by {@link dev.sluice.benchmarks.rivals.Sender} in a process
 * of its own: it sends from threads of its own, while the main thread sleeps and takes the figures.
 */
@NullMarked
package dev.sluice.benchmarks.rivals;

import org.jspecify.annotations.NullMarked;
