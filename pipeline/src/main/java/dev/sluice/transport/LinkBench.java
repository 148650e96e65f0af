// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * What each transport does on the way to a receiver: over one connection, which anything that reads will do for, one after
 * the other, each in several rounds. It sends the buffers of a ring that nobody writes to, each again when the transport says
 * that it is free. One thread.
 */
public final class LinkBench implements AutoCloseable {

    /**
     * What is measured.
     *
     * @param frameBytes of a frame, which is one stretch of memory; whole pages
     * @param rounds of which the median counts
     * @param each how long a transport sends in a round
     */
    public record Settings(int frameBytes, int rounds, Duration each) {}

    /**
     * What came of a transport.
     *
     * @param megabytesPerSecond until TCP has acknowledged all of it; 10^6 bytes
     * @param cpuSecondsPerGigabyte of the thread that sends, the kernel's work on its behalf included; 10^9 bytes
     * @param referredShare of the bytes, from 0 to 1, that went by reference, by the kernel's word
     * @param problem why there are no such figures, or empty
     */
    public record Row(
            String transport,
            double megabytesPerSecond,
            double cpuSecondsPerGigabyte,
            double referredShare,
            String problem) {}

    /** In this order, since each makes the send buffer larger than the one before, and none makes it smaller. */
    private static final List<TransportChoice> MEASURED =
            List.of(TransportChoice.COPY, TransportChoice.SPLICE, TransportChoice.ZEROCOPY, TransportChoice.URING);

    private static final int RING_BYTES = 32 << 20;
    private static final int LEAST_BUFFERS = 4;

    /** For what is under way to arrive, and for a connection to be made. */
    private static final int LIMIT_MILLIS = 30_000;

    private static final double NANOS_PER_SECOND = 1e9;

    /** A transport over the connection. */
    private static final class Candidate implements AutoCloseable {
        final TransportChoice choice;
        final SendCounters counters = new SendCounters();
        final Transports transports;
        final SocketTransport transport;
        final List<double[]> rounds = new ArrayList<>();

        Candidate(TransportChoice choice, TcpSocket socket, SharedMemory memory) {
            this.choice = choice;
            Transports.Options always = Transports.Options.always(choice);
            List<MemorySegment> all = List.of(memory.segment());
            transports = new Transports(always, new Transports.Memory(all, all, true), counters);
            transport = (SocketTransport) transports.forFrames(transports.open(socket, null));
        }

        boolean isOther() {
            return !counters.transport().equals(choice.word());
        }

        @Override
        public void close() {
            transport.release();
            transports.close();
        }
    }

    private final Settings settings;
    private final TcpSocket socket;
    private final SharedMemory memory;
    private final Transfer[] ring;
    private final List<Candidate> candidates = new ArrayList<>();
    private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    private int at;

    private LinkBench(Settings settings, TcpSocket socket, SharedMemory memory) {
        this.settings = settings;
        this.socket = socket;
        this.memory = memory;
        ring = new Transfer[(int) (memory.segment().byteSize() / settings.frameBytes())];
        Arrays.setAll(ring, i -> new Transfer());
    }

    /**
     * Connects to a receiver.
     *
     * @throws IOException if there is no connection, or no memory
     */
    public static LinkBench connect(InetSocketAddress to, Settings settings) throws IOException {
        if (to.isUnresolved()) {
            throw new IOException("there is no host " + to.getHostString());
        }
        TcpSocket socket = TcpSocket.open(to.getAddress());
        try {
            boolean done = socket.connect(to);
            if (!done && Libc.poll(socket.fd(), Constants.POLLOUT, LIMIT_MILLIS) <= 0) {
                throw new LinuxException("connect to " + to, Constants.ETIMEDOUT);
            }
            LinuxException.check(-socket.pendingError(), "connect to " + to);
            long bytes = Math.max(RING_BYTES, (long) LEAST_BUFFERS * settings.frameBytes());
            SharedMemory memory = SharedMemory.anonymous("sluice-bench", bytes);
            memory.segment().fill((byte) 1); // pages of its own, and not the one that is all zeros
            return new LinkBench(settings, socket, memory);
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /** What {@code auto} would take here, and why; asked last, since it may make the send buffer larger. */
    public String auto() {
        Transports.Options auto = Transports.Options.always(TransportChoice.AUTO);
        Transports.Memory all = new Transports.Memory(List.of(memory.segment()), List.of(), true);
        try (Transports transports = new Transports(auto, all, new SendCounters())) {
            return transports.wouldTake(socket);
        }
    }

    /**
     * Measures all.
     *
     * @param progress is told before each
     * @throws IOException if the connection is lost
     */
    public List<Row> run(Consumer<String> progress) throws IOException {
        for (TransportChoice choice : MEASURED) {
            Candidate candidate = new Candidate(choice, socket, memory);
            candidates.add(candidate);
            for (int round = 0; round <= settings.rounds() && !candidate.isOther(); round++) { // the first warms up
                progress.accept((round == 0 ? "warming up: " : "round " + round + " of " + settings.rounds() + ": ")
                        + choice.word());
                double[] figures = send(candidate);
                if (round > 0) {
                    candidate.rounds.add(figures);
                }
            }
        }
        return candidates.stream().map(LinkBench::row).toList();
    }

    private static Row row(Candidate candidate) {
        if (candidate.isOther()) {
            String reason = candidate.counters.transportReason();
            return new Row(
                    candidate.choice.word(), 0, 0, 0, reason.isEmpty() ? candidate.counters.plainReason() : reason);
        }
        double[] medians = new double[3];
        for (int figure = 0; figure < medians.length; figure++) {
            int which = figure;
            double[] sorted = candidate.rounds.stream()
                    .mapToDouble(one -> one[which])
                    .sorted()
                    .toArray();
            medians[figure] = sorted[sorted.length / 2];
        }
        return new Row(candidate.choice.word(), medians[0], medians[1], medians[2], "");
    }

    private double[] send(Candidate candidate) throws IOException {
        Transport transport = candidate.transport;
        SendCounters counters = candidate.counters;
        long referredBefore = counters.byReference.value();
        long sentBefore = counters.sent.value();
        long cpuBefore = threads.getCurrentThreadCpuTime();
        long began = System.nanoTime();
        while (System.nanoTime() - began < settings.each().toNanos()) {
            Transfer transfer = ring[at];
            while (!transfer.settled()) {
                await(transport, Transport.Progress.AWAIT_COMPLETION);
            }
            transfer.clear();
            transfer.add(memory.segment().address() + (long) at * settings.frameBytes(), settings.frameBytes());
            at = (at + 1) % ring.length;
            for (Transport.Progress now = transport.send(transfer);
                    now != Transport.Progress.SENT;
                    now = transport.send(transfer)) {
                await(transport, now);
            }
        }
        settle(transport);
        double seconds = (System.nanoTime() - began) / NANOS_PER_SECOND;
        double cpuSeconds = (threads.getCurrentThreadCpuTime() - cpuBefore) / NANOS_PER_SECOND;
        long bytes = counters.sent.value() - sentBefore;
        return new double[] {
            bytes / 1e6 / seconds,
            cpuSeconds / (bytes / 1e9),
            (double) (counters.byReference.value() - referredBefore) / bytes
        };
    }

    private void await(Transport transport, Transport.Progress progress) throws IOException {
        boolean completion = progress == Transport.Progress.AWAIT_COMPLETION;
        boolean ofItsOwn = completion && transport.completionFd() >= 0;
        int fd = ofItsOwn ? transport.completionFd() : socket.fd();
        int events = ofItsOwn
                ? Constants.POLLIN
                : progress == Transport.Progress.AWAIT_WRITABLE ? Constants.POLLOUT : 0; // errors come unasked
        if (!(completion && transport.holdsSettled()) && Libc.poll(fd, events, LIMIT_MILLIS) == 0) {
            throw new IOException("the receiver has taken nothing for " + LIMIT_MILLIS / 1000 + " s");
        }
        reap(transport);
    }

    private static void reap(Transport transport) throws IOException {
        transport.reap(settled -> {});
        int error = transport.pendingError();
        if (error != 0) {
            throw new ConnectionLostException(error);
        }
    }

    /** Until the other end has all, so that the next transport begins with an empty queue. */
    private void settle(Transport transport) throws IOException {
        long until = System.nanoTime() + Duration.ofMillis(LIMIT_MILLIS).toNanos();
        while (transport.outstanding() > 0 || transport.unacknowledgedBytes() > 0) {
            reap(transport);
            if (System.nanoTime() > until) {
                throw new IOException("the receiver did not take all within " + LIMIT_MILLIS / 1000 + " s");
            }
            Libc.poll(socket.fd(), 0, 1); // a millisecond, or less if something is to be reaped
        }
    }

    /** Ends the connection, and lets go of the memory. */
    @Override
    public void close() {
        candidates.forEach(Candidate::close);
        socket.shutdownOutput();
        socket.close();
        memory.close();
    }
}
