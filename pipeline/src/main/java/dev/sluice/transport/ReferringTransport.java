// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;

/**
 * What the transports that ask the kernel to send by reference have in common: when it is not worth asking. A connection
 * that went over to plain sends stays with them; the next one tries again.
 */
abstract sealed class ReferringTransport extends SocketTransport
        permits ZerocopyTransport, UringTransport, SpliceTransport {

    /**
     * What a packet may hold (GSO_LEGACY_MAX_SIZE). By io_uring a send that found room in the last packet of the one before
     * has none of its own, and is said to be copied whatever became of it (io_link_skb and io_notif_tw_complete of Linux
     * 6.12). Where nothing is copied, less than this comes between two sends that are said not to be.
     */
    private static final int PACKET_BYTES = 64 << 10;

    private final Transports.Options options;
    private final long mostUnderWay;

    /** Bytes that the kernel refers to and has not let go of, as far as it says. */
    private long underWay;

    private boolean plain;
    private int copiedInARow;
    private long copiedInARowBytes;

    /** @param mostUnderWay bytes that the kernel may refer to before {@link #mayTakeMore} says no */
    ReferringTransport(TcpSocket socket, long mostUnderWay, Transports.Options options, SendCounters counters) {
        super(socket, counters);
        this.mostUnderWay = mostUnderWay;
        this.options = options;
    }

    /**
     * Whether the socket is to be given more before it has let go of something. Its send buffer is so large that this says
     * no before the kernel does: a send is then taken whole, with one notification, and not in pieces with one each.
     */
    final boolean mayTakeMore() {
        return underWay < mostUnderWay;
    }

    /** The kernel refers to it from now on. */
    final void referred(long bytes) {
        underWay += bytes;
    }

    /** Whether the transfer is to be sent by reference, and not plainly. */
    final boolean isWorth(Transfer transfer) {
        if (plain) {
            return false;
        }
        long meanBytes = transfer.meanStretchBytes();
        if (meanBytes > 0 && meanBytes >= options.thresholdBytes()) { // headers alone are never worth it
            return true;
        }
        if (meanBytes > 0 && counters.plainReason().isEmpty()) {
            counters.plainReason("slices of " + meanBytes + " bytes are below zerocopy-threshold = "
                    + options.thresholdBytes() + ", where copying is cheaper");
        }
        return false;
    }

    /** The kernel has let go of what it took by reference, and says whether it copied it after all. */
    final void released(long bytes, int sends, boolean copied) {
        underWay -= bytes;
        counters.notifications.add(1);
        (copied ? counters.copied : counters.byReference).add(bytes);
        copiedInARow = copied ? copiedInARow + sends : 0;
        copiedInARowBytes = copied ? copiedInARowBytes + bytes : 0;
        boolean often = options.plainAfterCopied() > 0 && copiedInARow >= options.plainAfterCopied();
        if (!plain && often && copiedInARowBytes >= PACKET_BYTES) {
            goPlain("the last " + copiedInARow
                    + " sends were copied by the kernel, as its notifications say (loopback, or a route "
                    + "without scatter-gather or checksum offload): plain sends are cheaper there");
        }
    }

    final void goPlain(String reason) {
        plain = true;
        counters.plainReason(reason);
        LOG.info("going on with plain sends: {}", reason);
    }
}
