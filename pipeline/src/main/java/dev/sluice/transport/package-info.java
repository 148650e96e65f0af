// SPDX-License-Identifier: Apache-2.0
/**
 * How a sink hands bytes to the kernel, and how it learns that the kernel has let go of them.
 *
 * <p>A {@link dev.sluice.transport.Transfer} is bytes on their way out, of one frame or of several. A {@link
 * dev.sluice.transport.Transport} sends transfers over one connected socket and reaps their completions; {@link
 * dev.sluice.transport.Transports#open} picks it. A transport belongs to one thread at a time and never blocks: it says
 * what to wait for, and the stage that owns it waits by way of the reactor.
 */
@NullMarked
package dev.sluice.transport;

import org.jspecify.annotations.NullMarked;
