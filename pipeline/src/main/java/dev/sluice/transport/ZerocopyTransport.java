// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.util.function.Consumer;

/**
 * {@code zerocopy}: sendmsg with MSG_ZEROCOPY (Documentation/networking/msg_zerocopy.rst). The kernel reads from the
 * memory until it says otherwise on the socket's error queue.
 *
 * <p>The flag is a wish. The kernel may copy and say so, refuse for want of memory (ENOBUFS), or be unable to reference
 * the mapping at all (EFAULT). Each has its counter and its fallback.
 */
final class ZerocopyTransport extends ReferringTransport {

    private final OutstandingSends outstanding = new OutstandingSends();

    /**
     * Elements of one send. The kernel charges a send as a whole to the memlock limit, and refuses one that is larger: it is
     * tried with half then, and with one more each time that it goes well.
     */
    private int mostElements = Constants.IOV_MAX;

    ZerocopyTransport(TcpSocket socket, long mostUnderWay, Transports.Options options, SendCounters counters) {
        super(socket, mostUnderWay, options, counters);
    }

    @Override
    long sendSome(Transfer transfer) {
        if (!isWorth(transfer)) {
            return sendPlainly(transfer);
        }
        if (!mayTakeMore()) {
            return -Constants.ENOBUFS;
        }
        int elements = elements(transfer);
        long taken = socket.send(transfer.iovecAddress(), elements, Constants.MSG_ZEROCOPY);
        if (taken > 0) {
            transfer.advance(taken);
            outstanding.issued(transfer, taken);
            referred(taken);
            counters.sent.add(taken);
            mostElements = Math.min(Constants.IOV_MAX, mostElements + 1);
            return taken;
        }
        if (taken == -Constants.ENOBUFS || taken == -Constants.ENOMEM) {
            counters.noBuffers.add(1);
            if (outstanding.count() > 0) {
                return -Constants.ENOBUFS;
            }
            mostElements = Math.max(1, elements / 2);
            // With nothing outstanding no completion will ever come to wait for: a frame that is too large is copied.
            return elements(transfer) < elements ? sendSome(transfer) : sendPlainly(transfer, elements, 0);
        }
        if (taken == -Constants.EFAULT) {
            long copied = sendPlainly(transfer);
            if (copied > 0) {
                goPlain("the buffers cannot be sent by reference (EFAULT): their mapping has no struct pages "
                        + "(dma_mmap_coherent and remap_pfn_range make such mappings); use the sluice driver's, or leave "
                        + "it at transport = copy");
            }
            return copied;
        }
        return taken;
    }

    /** For the next send: no header without what it belongs to. */
    private int elements(Transfer transfer) {
        int all = transfer.iovecCount();
        int elements = Math.min(all, mostElements);
        boolean endsInHeader = elements < all && transfer.nextIsHeader(elements - 1);
        if (endsInHeader) {
            return elements == 1 ? 2 : elements - 1;
        }
        return elements;
    }

    @Override
    public void reap(Consumer<Transfer> settled) throws IOException {
        try {
            while (outstanding.count() > 0 && socket.receiveNotification()) {
                boolean copied = socket.notificationCopied();
                long before = outstanding.settledBytes();
                outstanding.settle(socket.notificationFirst(), socket.notificationLast(), settled);
                long bytes = outstanding.settledBytes() - before;
                // The kernel merges notifications when it is busy: one then speaks for all sends of its range.
                released(bytes, socket.notificationLast() - socket.notificationFirst() + 1, copied);
            }
        } catch (LinuxException e) {
            throw new ConnectionLostException(e.errno());
        }
    }

    @Override
    public int outstanding() {
        return outstanding.count();
    }
}
