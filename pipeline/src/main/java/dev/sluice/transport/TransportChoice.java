// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import java.util.Locale;

/** What a user may write for {@code transport}. */
public enum TransportChoice {
    /** By reference where this kernel, socket and route can, copying where they cannot. */
    AUTO,
    /** Ordinary sends: the kernel copies. */
    COPY,
    /** MSG_ZEROCOPY. */
    ZEROCOPY,
    /** io_uring, from buffers that are registered once. */
    URING,
    /** By way of a pipe; nobody says when the kernel is done with the memory. */
    SPLICE;

    /** As a user writes it. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
