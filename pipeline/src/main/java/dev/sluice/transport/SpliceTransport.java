// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.SplicePipe;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * {@code splice}: the socket gets references to the memory by way of a pipe (vmsplice, splice). It goes by reference
 * everywhere, also on loopback, where the receiver's queue refers to the sender's memory; and the kernel never says when it
 * is done. An acknowledgement by TCP is no proof of it. So a transfer is settled here as soon as it is handed over, and
 * whoever chooses this must know from elsewhere when the memory may be written again, or that it never will be.
 *
 * <p>Memory that is not known to be so is sent plainly, in its place; so are headers, unless all is held until the receiver
 * has acknowledged it.
 */
final class SpliceTransport extends ReferringTransport {

    private final SplicePipe pipe;
    private final List<MemorySegment> releasable;
    private final boolean held;

    /** What the pipe refers to: the next bytes of the transfer that is being sent. */
    private long pipedBytes;

    /**
     * Over a socket.
     *
     * @param releasable memory that may be released while it is referred to; if all is held until the receiver has
     *     acknowledged it, other memory is referred to, too, and the transfer told so
     */
    SpliceTransport(
            TcpSocket socket,
            SplicePipe pipe,
            List<MemorySegment> releasable,
            Transports.Options options,
            SendCounters counters) {
        super(socket, Long.MAX_VALUE, options, counters);
        this.pipe = pipe;
        this.releasable = releasable;
        held = options.held();
    }

    @Override
    long sendSome(Transfer transfer) {
        if (pipedBytes == 0) {
            if (!isWorth(transfer)) {
                return sendPlainly(transfer);
            }
            int count = transfer.iovecCount();
            int first = leading(transfer, count, false);
            if (first > 0) {
                return sendPlainly(transfer, first, first < count ? Constants.MSG_MORE : 0);
            }
            int elements = leading(transfer, count, true);
            for (int i = 0; i < elements; i++) {
                if (!transfer.nextIsHeader(i) && !isReleasable(transfer, i)) {
                    transfer.referredToUntilAcknowledged();
                    break;
                }
            }
            long piped = pipe.fill(transfer.iovecAddress(), elements);
            if (piped == -Constants.EFAULT) {
                goPlain("the buffers cannot be spliced (EFAULT): their mapping has no struct pages");
                return sendPlainly(transfer);
            }
            if (piped < 0) {
                return piped;
            }
            pipedBytes = piped;
        }
        long taken = pipe.drain(fd(), pipedBytes, pipedBytes < transfer.leftBytes());
        if (taken > 0) {
            pipedBytes -= taken;
            transfer.advance(taken);
            counters.sent.add(taken);
            counters.byReference.add(taken);
        }
        return taken;
    }

    /** How many of the next elements, from the first on, may be referred to, or how many may not. */
    private int leading(Transfer transfer, int count, boolean referred) {
        int leading = 0;
        while (leading < count && mayRefer(transfer, leading) == referred) {
            leading++;
        }
        return leading;
    }

    private boolean mayRefer(Transfer transfer, int element) {
        return held || (!transfer.nextIsHeader(element) && isReleasable(transfer, element));
    }

    private boolean isReleasable(Transfer transfer, int element) {
        long address = transfer.nextAddress(element);
        long end = address + transfer.nextLength(element);
        for (MemorySegment one : releasable) {
            if (address >= one.address() && end <= one.address() + one.byteSize()) {
                return true;
            }
        }
        return false;
    }

    @Override
    void release() {
        pipe.close();
    }
}
