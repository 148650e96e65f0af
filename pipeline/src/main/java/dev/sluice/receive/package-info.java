// SPDX-License-Identifier: Apache-2.0
/**
 * The other end: takes a stream apart, checks it, records it, measures it. Plain NIO on one thread; what
 * arrives comes from outside and is believed only after it was checked, with memory bounded by one read buffer.
 *
 * <p>Entry point: {@link dev.sluice.receive.Receiver}.
 */
@NullMarked
package dev.sluice.receive;

import org.jspecify.annotations.NullMarked;
