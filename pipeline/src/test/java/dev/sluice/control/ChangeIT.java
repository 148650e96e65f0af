// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

/** A topology that becomes another while it runs. */
class ChangeIT {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());

    private static final String SOURCE =
            "sources.fpga { type = simulated, buffer-size = 64KiB, buffers = 64, rate = 100MB, poison = true }\n";

    private static Receiver receiver() throws Exception {
        return new Receiver(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                new Receiver.Options(Framing.SLUICE, true, null, false));
    }

    private static CompletableFuture<Report> receive(Receiver receiver) {
        return CompletableFuture.supplyAsync(
                receiver::receive, task -> Thread.ofPlatform().daemon().start(task));
    }

    private static String tcp(String name, Receiver to, String from) throws Exception {
        return "sinks.%s { type = tcp, from = %s, connect = \"127.0.0.1:%d\", transport = zerocopy, plain-after-copied = 0 }%n"
                .formatted(name, from, to.address().getPort());
    }

    private static String sluice(String... nodes) {
        return "sluice {\n" + String.join("\n", nodes) + "\n}\n";
    }

    private static void await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waited in vain").isLessThan(deadline);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(2));
        }
    }

    private static void awaitMore(PipelineSystem system, String sink) {
        long before = system.counters().sink(sink).framesSent.value();
        await(() -> system.counters().sink(sink).framesSent.value() > before + 50);
    }

    private static Outcome drained(PipelineSystem system) throws Exception {
        system.drain();
        return system.outcome().get(1, TimeUnit.MINUTES);
    }

    private static void everyBufferIsBack(PipelineSystem system, int buffers) {
        assertThat(system.counters().source("fpga").device().lent()).isZero();
        assertThat(system.counters().source("fpga").device().free()
                        + system.counters().source("fpga").device().filled())
                .isEqualTo(buffers);
    }

    @Test
    void aSinkThatStaysMissesNothingWhileOthersComeAndGo() throws Exception {
        System.out.println("seed " + SEED);
        Random random = new Random(SEED);
        try (Receiver stays = receiver()) {
            CompletableFuture<Report> report = receive(stays);
            String always = SOURCE + tcp("stays", stays, "fpga");
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(sluice(always)));
            awaitMore(system, "stays");
            for (int change = 0; change < 20; change++) {
                String other = switch (random.nextInt(4)) {
                    case 0 -> "";
                    case 1 -> "sinks.other { type = discard, from = fpga }";
                    case 2 ->
                        "filters.w { type = window, from = fpga, length = %d, every = 4KiB }%nsinks.other { type = discard, from = w }"
                                .formatted(8 * random.nextInt(1, 512));
                    default ->
                        "sources.second { type = simulated, rate = 10MB, buffers = 4 }\nsinks.alone { type = discard, from = second }";
                };
                system.change(TopologyTexts.valid(sluice(always, other)));
                awaitMore(system, "stays");
            }
            Outcome outcome = drained(system);
            assertThat(outcome.failure()).isNull();
            Report received = report.get(1, TimeUnit.MINUTES);
            assertThat(received.problem()).isEmpty();
            assertThat(received.connections()).isEqualTo(1);
            assertThat(received.wrongBytes()).isZero();
            assertThat(received.skippedBytes()).isZero();
            assertThat(received.lostBytes())
                    .isEqualTo(system.counters().source("fpga").device().lostBytes());
            assertThat(received.frames())
                    .isEqualTo(system.counters().source("fpga").frames.value());
            assertThat(system.counters().sink("stays").reconnects.value()).isZero();
            everyBufferIsBack(system, 64);
        }
    }

    @Test
    void aChangedFilterIsReplacedAndItsSinkStaysConnected() throws Exception {
        try (Receiver receiver = receiver()) {
            CompletableFuture<Report> report = receive(receiver);
            String filter = "filters.w { type = window, from = fpga, length = %s, every = 8KiB }";
            String sink = tcp("out", receiver, "w");
            PipelineSystem system =
                    PipelineSystem.start(TopologyTexts.valid(sluice(SOURCE, filter.formatted("8KiB"), sink)));
            awaitMore(system, "out");
            system.change(TopologyTexts.valid(sluice(SOURCE, filter.formatted("1KiB"), sink)));
            awaitMore(system, "out");
            awaitMore(system, "out");
            Outcome outcome = drained(system);
            assertThat(outcome.failure()).isNull();
            Report received = report.get(1, TimeUnit.MINUTES);
            assertThat(received.problem()).isEmpty();
            assertThat(received.connections()).isEqualTo(1);
            assertThat(received.wrongBytes()).isZero();
            long frames = system.counters().source("fpga").frames.value();
            assertThat(received.frames()).isEqualTo(frames);
            assertThat(received.bytes()).isBetween(frames * 8192, frames * 65536 - 1);
            everyBufferIsBack(system, 64);
        }
    }

    @Test
    void aChangedSourceBeginsAnewAndItsSinkSaysEndBefore() throws Exception {
        try (Receiver first = receiver();
                Receiver second = receiver()) {
            CompletableFuture<Report> report = receive(first);
            CompletableFuture<Report> after = receive(second);
            PipelineSystem system =
                    PipelineSystem.start(TopologyTexts.valid(sluice(SOURCE, tcp("out", first, "fpga"))));
            awaitMore(system, "out");
            String smaller = SOURCE.replace("buffers = 64", "buffers = 16");
            system.change(TopologyTexts.valid(sluice(smaller, tcp("out", second, "fpga"))));
            assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            awaitMore(system, "out");
            assertThat(drained(system).failure()).isNull();
            assertThat(after.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            assertThat(after.get().wrongBytes()).isZero();
            everyBufferIsBack(system, 16);
        }
    }

    @Test
    void aPipelineThatIsNotInTheFileAnyMoreIsDrained() throws Exception {
        try (Receiver goes = receiver()) {
            CompletableFuture<Report> report = receive(goes);
            String stays =
                    "sources.other { type = simulated, rate = 10MB }\nsinks.rest { type = discard, from = other }";
            PipelineSystem system =
                    PipelineSystem.start(TopologyTexts.valid(sluice(SOURCE, tcp("out", goes, "fpga"), stays)));
            awaitMore(system, "out");
            system.change(TopologyTexts.valid(sluice(stays)));
            assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            awaitMore(system, "rest");
            await(() -> system.counters().source("fpga").device().lent() == 0);
            everyBufferIsBack(system, 64);
            assertThat(system.outcome()).isNotDone();
            assertThat(drained(system).failure()).isNull();
        }
    }

    @Test
    void changesThatComeFasterThanTheyCanBeMadeEndWithTheLast() throws Exception {
        PipelineSystem system =
                PipelineSystem.start(TopologyTexts.valid(sluice(SOURCE, "sinks.s0 { type = discard, from = fpga }")));
        for (int change = 1; change <= 30; change++) {
            system.change(
                    TopologyTexts.valid(sluice(SOURCE, "sinks.s%d { type = discard, from = fpga }".formatted(change))));
        }
        awaitMore(system, "s30");
        assertThat(drained(system).failure()).isNull();
        everyBufferIsBack(system, 64);
    }

    @Test
    void aReceiverThatReadsNothingHoldsAChangeUpForTheDrainTimeOut() throws Exception {
        try (ServerSocket stalled = new ServerSocket()) {
            stalled.setReceiveBufferSize(1 << 16);
            stalled.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1);
            String waits =
                    "sinks.waits { type = tcp, from = fpga, connect = \"127.0.0.1:%d\", send-buffer = 64KiB, reconnect-min = 10ms }%n"
                            .formatted(stalled.getLocalPort());
            String before = sluice("drain-timeout = 300ms", SOURCE, waits);
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(before));
            Socket deaf = stalled.accept();
            Greeting.answer(deaf);
            await(() -> system.counters().source("fpga").device().lostBytes() > 0);
            system.change(TopologyTexts.valid(
                    sluice("drain-timeout = 300ms", SOURCE, waits, "sinks.more { type = discard, from = fpga }")));
            Socket again = stalled.accept();
            Greeting.answer(again);
            // What waited through the change comes first; then both sinks get frames.
            while (system.counters().sink("more").framesSent.value() == 0) {
                again.getInputStream().readNBytes(1 << 16);
            }
            assertThat(system.outcome()).isNotDone();
            assertThat(drained(system).failure()).hasMessageContaining("gave up draining");
            everyBufferIsBack(system, 64);
            deaf.close();
            again.close();
        }
    }

    /** Its queue refers to the memory, and nobody will ever acknowledge it: the buffers are not filled again. */
    @Test
    void whatWasSplicedToAReceiverStaysAsItIsWhenItsSinkIsRemoved() throws Exception {
        try (ServerSocket stalled = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String source =
                    "sources.fpga { type = simulated, buffer-size = 64KiB, buffers = 512, rate = 200MB, poison = true }";
            String stays = "sinks.stays { type = discard, from = fpga }";
            String waits = ("sinks.waits { type = tcp, from = fpga, connect = \"127.0.0.1:%d\", transport = splice, "
                            + "delivery = resume, zerocopy-threshold = 0 }%n")
                    .formatted(stalled.getLocalPort());
            PipelineSystem system =
                    PipelineSystem.start(TopologyTexts.valid(sluice("drain-timeout = 300ms", source, stays, waits)));
            try (Socket slow = stalled.accept()) {
                Greeting.answer(slow);
                await(() -> system.counters().source("fpga").device().lostBytes() > 0);
                system.change(TopologyTexts.valid(sluice("drain-timeout = 300ms", source, stays)));
                long before = system.counters().sink("stays").framesSent.value();
                await(() -> system.counters().sink("stays").framesSent.value() > before + 1000);
                AtomicLong frames = new AtomicLong();
                try {
                    FramedStream.read(slow.getInputStream(), frames::set); // which compares every word
                } catch (UncheckedIOException reset) {
                    assertThat(reset).hasMessageContaining("reset");
                }
                assertThat(frames.get()).isPositive();
            }
            assertThat(system.counters().source("fpga").stuckBuffers.value()).isPositive();
            assertThat(drained(system).failure()).isNull();
        }
    }

    @Test
    void aSinkWhoseReceiverIsDeadCanBeReplaced() throws Exception {
        ServerSocket dies = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        try (Receiver replaces = receiver()) {
            String settings = "sluice.drain-timeout = 300ms\n";
            String beside = "sinks.beside { type = discard, from = fpga }\n";
            String old = "sinks.out { type = tcp, from = fpga, connect = \"127.0.0.1:%d\", when-full = drop-newest }%n"
                    .formatted(dies.getLocalPort());
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(settings + sluice(SOURCE, beside, old)));
            Socket connection = dies.accept();
            Greeting.answer(connection);
            await(() -> system.counters().sink("out").framesDropped.value() > 0);
            connection.close();
            dies.close();
            CompletableFuture<Report> report = receive(replaces);
            system.change(TopologyTexts.valid(settings + sluice(SOURCE, beside, tcp("out", replaces, "fpga"))));
            awaitMore(system, "out");
            assertThat(drained(system).failure()).isNull();
            assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            everyBufferIsBack(system, 64);
        }
    }

    @Test
    void whatCannotBeOpenedLeavesTheOldOneRunning() throws Exception {
        try (Receiver stays = receiver();
                ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Report> report = receive(stays);
            String always = SOURCE + tcp("stays", stays, "fpga");
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(sluice(always)));
            awaitMore(system, "stays");
            system.change(TopologyTexts.valid(sluice(
                    always,
                    "sinks.more { type = tcp, from = fpga, listen = \"127.0.0.1:%d\" }"
                            .formatted(taken.getLocalPort()))));
            awaitMore(system, "stays");
            awaitMore(system, "stays");
            system.change(TopologyTexts.valid(sluice(
                    always,
                    "filters.odd { type = misbehaving, from = fpga, how = cannot-be-made, in-frame = 0 }",
                    "sinks.more { type = discard, from = odd }")));
            awaitMore(system, "stays");
            awaitMore(system, "stays");
            assertThat(drained(system).failure()).isNull();
            Report received = report.get(1, TimeUnit.MINUTES);
            assertThat(received.problem()).isEmpty();
            assertThat(received.connections()).isEqualTo(1);
            assertThat(received.skippedBytes()).isZero();
            everyBufferIsBack(system, 64);
        }
    }

    @Test
    void aPipelineThatHasEndedDoesNotBeginAgain() throws Exception {
        String ends = "sources.short { type = simulated, frames = 10 }\nsinks.done { type = discard, from = short }";
        String rest = "sinks.rest { type = discard, from = fpga }";
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(sluice(SOURCE, rest, ends)));
        await(() -> system.counters().sink("done").framesSent.value() == 10);
        awaitMore(system, "rest");
        system.change(TopologyTexts.valid(sluice(SOURCE, rest, ends, "sinks.more { type = discard, from = fpga }")));
        awaitMore(system, "more");
        awaitMore(system, "more");
        assertThat(drained(system).failure()).isNull();
        assertThat(system.counters().sink("done").framesSent.value()).isEqualTo(10);
    }

    @Test
    void aBranchThatHasEndedIsLeftAsItIs() throws Exception {
        String both = "sources.short { type = simulated, frames = 10 }\nsinks.done { type = discard, from = short }\n"
                + "sinks.rest { type = discard, from = [fpga, short] }";
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(sluice(SOURCE, both)));
        await(() -> system.counters().sink("done").framesSent.value() == 10);
        awaitMore(system, "rest");
        system.change(TopologyTexts.valid(sluice(SOURCE, both, "sinks.more { type = discard, from = fpga }")));
        awaitMore(system, "more");
        assertThat(drained(system).failure()).isNull();
        assertThat(system.counters().source("short").frames.value()).isEqualTo(10);
    }

    @Test
    void aPipelineMayBeSplitAndJoinedAgain() throws Exception {
        String sources = SOURCE + "sources.b { type = simulated, rate = 10MB, buffer-size = 64KiB }\n";
        String joined = sluice(sources, "sinks.one { type = discard, from = [fpga, b] }");
        String split =
                sluice(sources, "sinks.one { type = discard, from = fpga }", "sinks.two { type = discard, from = b }");
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(joined));
        awaitMore(system, "one");
        for (int i = 0; i < 3; i++) {
            system.change(TopologyTexts.valid(split));
            awaitMore(system, "two");
            awaitMore(system, "one");
            system.change(TopologyTexts.valid(joined));
            awaitMore(system, "one");
        }
        assertThat(drained(system).failure()).isNull();
        everyBufferIsBack(system, 64);
    }

    @Test
    void aConnectionThatIsMadeInAChangeIsUsedForIt() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String settings = "sluice.drain-timeout = 10 minutes\n";
            String out = "sinks.out { type = tcp, from = fpga, connect = \"127.0.0.1:%d\", reconnect-min = 500ms }%n"
                    .formatted(server.getLocalPort());
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(settings + sluice(SOURCE, out)));
            Socket breaks = server.accept();
            Greeting.answer(breaks);
            await(() -> system.counters().source("fpga").device().lostBytes() > 0);
            breaks.close();
            await(() -> system.counters().sink("out").unconfirmed.value() > 0);
            system.change(
                    TopologyTexts.valid(settings + sluice(SOURCE, out, "sinks.more { type = discard, from = fpga }")));
            Socket again = server.accept();
            Greeting.answer(again);
            Thread.ofPlatform().daemon().start(() -> {
                try (again) {
                    FramedStream.read(again.getInputStream());
                    Greeting.finish(again, List.of(0));
                    again.getInputStream().readNBytes(Header.BYTES); // BYE
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            awaitMore(system, "more");
            awaitMore(system, "out");
            assertThat(drained(system).failure()).isNull();
            assertThat(system.counters().source("fpga").framesGivenBack.value()).isZero();
            assertThat(system.counters().sink("out").reconnects.value()).isEqualTo(1);
            everyBufferIsBack(system, 64);
        }
    }
}
