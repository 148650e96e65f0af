// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValueFactory;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * What a run came to.
 *
 * @param elapsed from start to end
 * @param sources what each source came to, in the order of their names
 * @param sinks what each sink came to, in the order of their names
 */
public record Summary(Duration elapsed, List<SourceSummary> sources, List<SinkSummary> sinks) {

    /**
     * What a source came to.
     *
     * @param frames frames acquired
     * @param acquiredBytes bytes in them
     * @param lostBytes bytes the source produced while no buffer was armed
     * @param lossKnown whether the source tells what it lost; else {@code lostBytes} is the least it can be
     * @param starved how long the engine had no buffer to write to
     * @param quarantines buffers given back while something still referenced them, which the driver kept until nothing
     *     did
     * @param transferErrors transfers into a buffer that failed
     * @param framesLeft frames filled and not sent: left in the device, or acquired and given back
     * @param stuckBuffers buffers the kernel did not let go of
     * @param restarts times that the device failed and was opened again
     * @param holdMedianMillis median time from acquiring a buffer to giving it back
     * @param holdMaxMillis longest such time
     */
    public record SourceSummary(
            String name,
            long frames,
            long acquiredBytes,
            long lostBytes,
            boolean lossKnown,
            Duration starved,
            long quarantines,
            long transferErrors,
            long framesLeft,
            long stuckBuffers,
            long restarts,
            double holdMedianMillis,
            double holdMaxMillis) {

        private static SourceSummary of(String name, SourceCounters counters) {
            DeviceCounts device = counters.device();
            return new SourceSummary(
                    name,
                    counters.frames.value(),
                    counters.acquired.value(),
                    device.lostBytes(),
                    device.lossKnown(),
                    Duration.ofNanos(device.starvedNanos()),
                    device.quarantines(),
                    device.errors(),
                    device.filled() + counters.framesGivenBack.value(),
                    counters.stuckBuffers.value(),
                    counters.restarts.value(),
                    counters.holdTimes.percentileMillis(50),
                    counters.holdTimes.percentileMillis(100));
        }
    }

    /**
     * What a sink came to.
     *
     * @param keptBytes bytes that came to it from the filters
     * @param framesSent frames that the kernel took whole
     * @param droppedBytes bytes that should have come to it, but were dropped, since it was full
     * @param framesDropped frames with these bytes
     * @param sentBytes bytes handed to the kernel, framing and repeats included; the sum of the next four
     * @param byReferenceBytes of these, sent without a copy
     * @param copiedBytes sent with zero-copy, but copied by the kernel
     * @param plainBytes ordinary sends and writes
     * @param unsettledBytes sent with zero-copy, and not notified before the run ended
     * @param unconfirmedBytes not acknowledged by the receiver's TCP when their connection broke
     * @param undeliveredBytes lost on their way to a receiver that came back without them, and announced to it
     * @param framesKnown frames that were not sent, since the receiver had them
     * @param framesRepeated frames begun again on a new connection
     * @param reconnects connections after the first
     * @param noBuffers sends the kernel refused for want of memory (ENOBUFS)
     * @param receivers receivers that connected to it
     * @param refused connections that were refused
     * @param handshakesFailed connections that did not become ready for frames
     * @param restarts times that what makes its connections died, and was started again
     * @param diskFull times that the disk was full
     * @param transport what frames were sent over last, and why it is not what was asked for; or empty
     * @param plainReason why sends are plain, or empty
     * @param toFile whether the sink writes to files
     */
    public record SinkSummary(
            String name,
            long keptBytes,
            long framesSent,
            long droppedBytes,
            long framesDropped,
            long sentBytes,
            long byReferenceBytes,
            long copiedBytes,
            long plainBytes,
            long unsettledBytes,
            long unconfirmedBytes,
            long undeliveredBytes,
            long framesKnown,
            long framesRepeated,
            long reconnects,
            long noBuffers,
            long receivers,
            long refused,
            long handshakesFailed,
            long restarts,
            long diskFull,
            String transport,
            String plainReason,
            boolean toFile) {

        private static SinkSummary of(String name, SinkCounters counters) {
            SendCounters send = counters.send;
            return new SinkSummary(
                    name,
                    counters.kept.value(),
                    counters.framesSent.value(),
                    counters.dropped.value(),
                    counters.framesDropped.value(),
                    send.sent.value(),
                    send.byReference.value(),
                    send.copied.value(),
                    send.plain.value(),
                    send.outstanding(),
                    counters.unconfirmed.value(),
                    counters.undelivered.value(),
                    counters.framesKnown.value(),
                    counters.framesRepeated.value(),
                    counters.reconnects.value(),
                    send.noBuffers.value(),
                    counters.receivers.value(),
                    counters.refused.value(),
                    counters.handshakesFailed.value(),
                    counters.restarts.value(),
                    counters.diskFull.value(),
                    send.chosen(),
                    send.plainReason(),
                    counters.toFile());
        }
    }

    /** From the counts at the end of a run. */
    public static Summary of(RunCounters counters, Duration elapsed) {
        return new Summary(
                elapsed,
                counters.sources().entrySet().stream()
                        .map(source -> SourceSummary.of(source.getKey(), source.getValue()))
                        .toList(),
                counters.sinks().entrySet().stream()
                        .map(sink -> SinkSummary.of(sink.getKey(), sink.getValue()))
                        .toList());
    }

    /** Sum over all sources. */
    public long ofSources(ToLongFunction<SourceSummary> figure) {
        return sources.stream().mapToLong(figure).sum();
    }

    /** Sum over all sinks. */
    public long ofSinks(ToLongFunction<SinkSummary> figure) {
        return sinks.stream().mapToLong(figure).sum();
    }

    private double megabytesPerSecond(long bytes) {
        double seconds = elapsed.toNanos() / 1e9;
        return seconds > 0 ? bytes / 1e6 / seconds : 0;
    }

    /** For people: lines that say nothing out of the ordinary are left out, and names where there is one of a kind. */
    public String text() {
        StringBuilder text = new StringBuilder();
        boolean named = sources.size() > 1 || sinks.size() > 1;
        boolean spliced = sinks.stream().anyMatch(sink -> sink.transport().equals("splice"));
        for (SourceSummary source : sources) {
            if (named) {
                line(text, "source", "%s", source.name());
            }
            text(text, source, spliced);
        }
        for (SinkSummary sink : sinks) {
            if (named) {
                line(text, "sink", "%s", sink.name());
            }
            text(text, sink);
        }
        return text.toString();
    }

    private static void text(StringBuilder text, SourceSummary source, boolean spliced) {
        line(text, "acquired", "%,d frames, %,d bytes", source.frames(), source.acquiredBytes());
        double starvedSeconds = source.starved().toNanos() / 1e9;
        if (source.lossKnown()) {
            line(text, "lost", "%,d bytes; the engine had no buffer for %.3f s", source.lostBytes(), starvedSeconds);
        } else {
            line(text, "lost", "not told by the DMA engine; it had no buffer for %.3f s", starvedSeconds);
        }
        line(
                text,
                "buffers",
                "held %.2f ms (median), %.2f ms (longest)",
                source.holdMedianMillis(),
                source.holdMaxMillis());
        if (source.transferErrors() > 0) {
            line(text, "errors", "%,d transfers into a buffer failed, as the DMA engine says", source.transferErrors());
        }
        if (source.restarts() > 0) {
            line(text, "restarts", "%,d, after the device had failed", source.restarts());
        }
        if (source.quarantines() > 0) {
            line(
                    text,
                    "quarantined",
                    "%,d buffers came back while they were still in use; the driver waited%s",
                    source.quarantines(),
                    spliced ? ", as transport = splice means it to" : "");
        }
        if (source.framesLeft() > 0) {
            line(text, "left", "%,d frames were filled, but not sent before the end", source.framesLeft());
        }
        if (source.stuckBuffers() > 0) {
            line(
                    text,
                    "stuck",
                    "%,d buffers kept from the device: the kernel, or a flow that was cut off, had not let go of them",
                    source.stuckBuffers());
        }
    }

    private void text(StringBuilder text, SinkSummary sink) {
        boolean file = sink.toFile();
        String done = file ? "written" : "sent";
        line(text, "kept", "%,d bytes in %,d frames %s", sink.keptBytes(), sink.framesSent(), done);
        if (sink.framesDropped() > 0) {
            line(
                    text,
                    "dropped",
                    "%,d bytes in %,d frames, since the sink was full",
                    sink.droppedBytes(),
                    sink.framesDropped());
        }
        line(
                text,
                done,
                "%,d bytes in %.2f s, %.1f MB/s",
                sink.sentBytes(),
                elapsed.toNanos() / 1e9,
                megabytesPerSecond(sink.sentBytes()));
        if (!sink.transport().isEmpty()) {
            line(text, "transport", "%s", sink.transport());
        }
        line(text, "by reference", "%,d bytes%s", sink.byReferenceBytes(), file ? ", past the page cache" : "");
        if (!file) {
            line(text, "copied", "%,d bytes, by the kernel in spite of zero-copy", sink.copiedBytes());
        }
        String reason = sink.plainReason();
        line(
                text,
                "plain",
                "%,d bytes%s%s",
                sink.plainBytes(),
                file ? ", through the page cache" : "",
                reason.isEmpty() ? "" : ": " + reason);
        if (sink.diskFull() > 0) {
            line(text, "disk full", "%,d times", sink.diskFull());
        }
        String again = String.format(Locale.ROOT, "; %,d frames begun again", sink.framesRepeated());
        if (sink.receivers() > 0 || sink.refused() > 0) {
            String repeated = sink.framesRepeated() > 0 ? again : "";
            line(text, "receivers", "%,d connected, %,d refused%s", sink.receivers(), sink.refused(), repeated);
        } else if (sink.reconnects() > 0 || sink.framesRepeated() > 0) {
            line(text, "reconnects", "%,d%s", sink.reconnects(), again);
        }
        if (sink.unconfirmedBytes() > 0) {
            line(
                    text,
                    "unconfirmed",
                    "%,d bytes were not acknowledged when their connection broke",
                    sink.unconfirmedBytes());
        }
        if (sink.undeliveredBytes() > 0) {
            line(
                    text,
                    "undelivered",
                    "%,d bytes were lost with their connection, and announced as lost",
                    sink.undeliveredBytes());
        }
        if (sink.framesKnown() > 0) {
            line(text, "known", "%,d frames were not sent, since the receiver had them", sink.framesKnown());
        }
        if (sink.handshakesFailed() > 0) {
            line(
                    text,
                    "handshakes",
                    "%,d failed: the peer spoke something else, too slowly, or could not prove who it is",
                    sink.handshakesFailed());
        }
        if (sink.restarts() > 0) {
            line(text, "restarts", "%,d, after its actor had died: see the log", sink.restarts());
        }
        if (sink.noBuffers() > 0) {
            line(
                    text,
                    "ENOBUFS",
                    "%,d sends refused: raise net.core.optmem_max or the memlock limit",
                    sink.noBuffers());
        }
        if (sink.unsettledBytes() > 0) {
            line(text, "unsettled", "%,d bytes that the kernel had not let go of", sink.unsettledBytes());
        }
    }

    /**
     * For programs: one JSON object on one line; sizes in bytes, times in seconds. The figures of all sources and all
     * sinks added up, and those of each under its name.
     */
    public String json() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("elapsed_s", elapsed.toNanos() / 1e9);
        long sent = ofSinks(SinkSummary::sentBytes);
        fields.put("mb_per_s", megabytesPerSecond(sent));
        add(fields, sources.stream().map(Summary::fields).toList());
        add(fields, sinks.stream().map(Summary::fields).toList());
        Map<String, Object> bySource = new LinkedHashMap<>();
        sources.forEach(source -> bySource.put(source.name(), fields(source)));
        Map<String, Object> bySink = new LinkedHashMap<>();
        sinks.forEach(sink -> bySink.put(sink.name(), fields(sink)));
        fields.put("sources", bySource);
        fields.put("sinks", bySink);
        return ConfigValueFactory.fromMap(fields).render(ConfigRenderOptions.concise());
    }

    /** Sums whole numbers and times; of hold times the longest counts, of facts whether they hold for all. */
    private static void add(Map<String, Object> total, List<Map<String, Object>> nodes) {
        for (Map<String, Object> node : nodes) {
            node.forEach((key, value) -> total.merge(key, value, (a, b) -> switch (a) {
                case Long number -> number + (Long) b;
                case Double number -> key.startsWith("hold_") ? Math.max(number, (Double) b) : number + (Double) b;
                case Boolean fact -> fact && (Boolean) b;
                default -> a.equals("") ? b : a;
            }));
        }
    }

    private static Map<String, Object> fields(SourceSummary source) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("frames", source.frames());
        fields.put("acquired_bytes", source.acquiredBytes());
        fields.put("lost_bytes", source.lostBytes());
        fields.put("loss_known", source.lossKnown());
        fields.put("starved_s", source.starved().toNanos() / 1e9);
        fields.put("quarantines", source.quarantines());
        fields.put("transfer_errors", source.transferErrors());
        fields.put("frames_left", source.framesLeft());
        fields.put("stuck_buffers", source.stuckBuffers());
        fields.put("restarts", source.restarts());
        fields.put("hold_median_ms", source.holdMedianMillis());
        fields.put("hold_max_ms", source.holdMaxMillis());
        return fields;
    }

    private static Map<String, Object> fields(SinkSummary sink) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("kept_bytes", sink.keptBytes());
        fields.put("frames_sent", sink.framesSent());
        fields.put("dropped_bytes", sink.droppedBytes());
        fields.put("frames_dropped", sink.framesDropped());
        fields.put("sent_bytes", sink.sentBytes());
        fields.put("by_reference_bytes", sink.byReferenceBytes());
        fields.put("copied_bytes", sink.copiedBytes());
        fields.put("plain_bytes", sink.plainBytes());
        fields.put("unsettled_bytes", sink.unsettledBytes());
        fields.put("unconfirmed_bytes", sink.unconfirmedBytes());
        fields.put("undelivered_bytes", sink.undeliveredBytes());
        fields.put("frames_known", sink.framesKnown());
        fields.put("frames_repeated", sink.framesRepeated());
        fields.put("reconnects", sink.reconnects());
        fields.put("enobufs", sink.noBuffers());
        fields.put("receivers", sink.receivers());
        fields.put("refused", sink.refused());
        fields.put("handshakes_failed", sink.handshakesFailed());
        fields.put("restarts", sink.restarts());
        fields.put("disk_full", sink.diskFull());
        fields.put("transport", sink.transport());
        fields.put("plain_reason", sink.plainReason());
        return fields;
    }

    @SuppressWarnings("AnnotateFormatMethod") // its annotation is in a library that only the compiler needs
    private static void line(StringBuilder text, String label, String format, Object... figures) {
        text.append(String.format(Locale.ROOT, "%-13s", label))
                .append(String.format(Locale.ROOT, format, figures))
                .append(System.lineSeparator());
    }
}
