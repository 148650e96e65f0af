// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * From how many bytes on it pays to send by reference: to pin pages and to be told that they are free, against copying.
 * Measured on this machine, with the memory that is sent from, over a connection to itself whose packets are held back:
 * what is queued there is never sent on, which is the part of a send that both ways have in common, and which on such a
 * connection would copy after all. Takes about a tenth of a second, and hardly more than three tenths.
 */
final class Crossover {

    /** What is taken where it cannot be measured: the break-even of Documentation/networking/msg_zerocopy.rst. */
    static final long ASSUMED_BYTES = 10 * 1024;

    /** As short as is asked about, and as long: beyond this it is taken to pay. */
    private static final int LEAST_BYTES = 4 * 1024;

    private static final int MOST_BYTES = 128 * 1024;

    /** What a socket queues at once, by default ({@code net.core.wmem_max} of 212,992, doubled). */
    private static final int QUEUED_BYTES = 256 * 1024;

    private static final int ROUNDS = 7;
    private static final int WARM_UP_ROUNDS = 25;
    private static final int RECEIVE_BUFFER_BYTES = 1 << 20;

    /** Packets that a connection sends before it minds its rate (net/ipv4/tcp_output.c, tcp_update_skb_after_send). */
    private static final int UNPACED_PACKETS = 10;

    /** The packet behind them, for which all others wait so many seconds. */
    private static final int LAST_BYTES = 4096;

    private static final int BYTES_PER_SECOND = 1024;

    /** Of all, of warming up, and of a single wait. */
    private static final long LIMIT_NANOS = 300_000_000L;

    private static final long WARM_UP_NANOS = 100_000_000L;

    /** Makes the transport that is measured. */
    @FunctionalInterface
    interface Maker {
        Transport over(TcpSocket socket, SendCounters counters) throws IOException;
    }

    /**
     * What was found.
     *
     * @param bytes from which on sends go by reference
     * @param how it is known, as a part of a sentence
     */
    record Result(long bytes, String how) {}

    private final MemorySegment memory;
    private final SendCounters counters = new SendCounters();
    private long at;

    private Crossover(MemorySegment memory) {
        this.memory = memory;
    }

    /**
     * Measures it.
     *
     * @param memory that is sent from
     * @param byReference makes the transport that is to be measured, with nothing too short for it
     */
    static Result measure(List<MemorySegment> memory, Maker byReference) {
        MemorySegment all = memory.isEmpty() ? MemorySegment.NULL : memory.getFirst();
        if (all.byteSize() < QUEUED_BYTES) {
            return new Result(ASSUMED_BYTES, "assumed, for there is too little memory to measure it with");
        }
        try {
            return new Crossover(all).measure(byReference);
        } catch (IOException e) {
            return new Result(ASSUMED_BYTES, "assumed, for it cannot be measured: " + e.getMessage());
        }
    }

    private Result measure(Maker byReference) throws IOException {
        long began = System.nanoTime();
        Maker copying = CopyTransport::new;
        for (int round = 0; round < WARM_UP_ROUNDS && System.nanoTime() - began < WARM_UP_NANOS; round++) {
            nanosPerSend(copying, LEAST_BYTES);
            nanosPerSend(byReference, LEAST_BYTES);
            if (!counters.plainReason().isEmpty()) {
                return new Result(ASSUMED_BYTES, "assumed, for " + counters.plainReason());
            }
        }
        for (int bytes = LEAST_BYTES; bytes < MOST_BYTES; bytes *= 2) {
            long copied = Long.MAX_VALUE;
            long referred = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS; round++) {
                if (System.nanoTime() - began > LIMIT_NANOS) {
                    return new Result(ASSUMED_BYTES, "assumed, for there was no time to measure it");
                }
                copied = Math.min(copied, nanosPerSend(copying, bytes));
                referred = Math.min(referred, nanosPerSend(byReference, bytes));
            }
            if (referred < copied) {
                return new Result(
                        bytes,
                        String.format(
                                Locale.ROOT,
                                "measured: %d bytes take %.1f us, and %.1f us to copy",
                                bytes,
                                referred / 1e3,
                                copied / 1e3));
            }
        }
        return new Result(MOST_BYTES, "measured: below that copying is cheaper here");
    }

    /** Of handing it over and of reaping; the shares of connecting and of ending the connection are left out. */
    private long nanosPerSend(Maker making, int bytes) throws IOException {
        InetAddress here = InetAddress.getLoopbackAddress();
        try (TcpSocket server = TcpSocket.open(here)) {
            server.option(Constants.SOL_SOCKET, Constants.SO_RCVBUF, RECEIVE_BUFFER_BYTES, "SO_RCVBUF");
            server.bind(new InetSocketAddress(here, 0));
            server.listen(1);
            try (Transport transport = made(making, TcpSocket.open(here))) {
                TcpSocket socket = ((SocketTransport) transport).socket;
                socket.option(Constants.SOL_SOCKET, Constants.SO_SNDBUF, QUEUED_BYTES, "SO_SNDBUF");
                socket.option(
                        Constants.SOL_SOCKET, Constants.SO_MAX_PACING_RATE, BYTES_PER_SECOND, "SO_MAX_PACING_RATE");
                socket.noDelay();
                socket.connect(server.localAddress());
                if (Libc.poll(socket.fd(), Constants.POLLOUT, (int)
                                Duration.ofNanos(LIMIT_NANOS).toMillis())
                        <= 0) {
                    throw new LinuxException("connect to itself", Constants.ETIMEDOUT);
                }
                for (int packet = 0; packet < UNPACED_PACKETS; packet++) {
                    sendPlainly(socket, 1);
                }
                sendPlainly(socket, LAST_BYTES);
                long sends = 0;
                long began = System.nanoTime();
                Transport.Progress progress = Transport.Progress.SENT;
                for (int queued = 0;
                        queued < QUEUED_BYTES / 2 && progress == Transport.Progress.SENT;
                        queued += bytes) {
                    progress = transport.send(transfer(bytes));
                    sends++;
                }
                long nanos = System.nanoTime() - began;
                transport.abort();
                began = System.nanoTime();
                while (transport.outstanding() > 0) {
                    transport.reap(settled -> {});
                    if (System.nanoTime() - began > LIMIT_NANOS) {
                        throw new LinuxException("waiting for what was sent by reference", Constants.ETIMEDOUT);
                    }
                }
                return (nanos + System.nanoTime() - began) / sends;
            }
        }
    }

    private Transport made(Maker making, TcpSocket socket) throws IOException {
        try {
            return making.over(socket, counters);
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private void sendPlainly(TcpSocket socket, int bytes) throws LinuxException {
        Transfer transfer = transfer(bytes);
        LinuxException.check((int) socket.send(transfer.iovecAddress(), transfer.iovecCount(), 0), "send");
    }

    /** The next bytes of the memory, so that the processor's caches have them no more than they have a frame's. */
    private Transfer transfer(int bytes) {
        at = at + bytes > memory.byteSize() ? 0 : at;
        Transfer transfer = new Transfer();
        transfer.add(memory.address() + at, bytes);
        at += bytes;
        return transfer;
    }
}
