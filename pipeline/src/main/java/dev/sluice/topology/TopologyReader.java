// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigOriginFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.filter.Filter;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import dev.sluice.linux.Libc;
import dev.sluice.transport.TransportChoice;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Framing;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Reads a topology file. Every node is read with every setting before anything is said, so that one look at the problems
 * is enough to mend them all.
 */
public final class TopologyReader {

    /** Of the stand-in. The driver's buffers are of the pages that the machine has. */
    private static final long PAGE_BYTES = 4096;

    private static final long MOST_FRAME_BYTES = 1L << 30;
    private static final int MOST_BUFFERS = 4096;

    private final Problems problems = new Problems();
    private final Config reference = ConfigFactory.defaultReference(TopologyReader.class.getClassLoader());
    private final Map<String, FilterFactory> factories = new TreeMap<>();

    private final Map<String, Topology.Source> sources = new LinkedHashMap<>();
    private final Map<String, Supplier<Filter>> filters = new LinkedHashMap<>();
    private final Map<String, Topology.TcpSink> sinks = new LinkedHashMap<>();

    /** By name: where a node stands in the file, and what it takes frames from (none for sources). */
    private final Map<String, ConfigOrigin> origins = new HashMap<>();

    private final Map<String, String> from = new LinkedHashMap<>();

    /** By node: reports a problem with its "from", at the line where that stands. */
    private final Map<String, Consumer<String>> fromProblems = new HashMap<>();

    private TopologyReader() {
        for (FilterFactory factory : ServiceLoader.load(FilterFactory.class)) {
            factories.put(factory.type(), factory);
        }
    }

    /** What a file holds: a topology, or the reasons why it holds none. */
    public sealed interface Result {}

    /** The file is right. */
    public record Valid(Topology topology) implements Result {}

    /** All that is wrong with it, in the order of the file. */
    public record Invalid(List<Problems.Problem> problems) implements Result {}

    /** Reads a file. */
    public static Result read(Path file) {
        return new TopologyReader().parse(file);
    }

    /** Reads a text; {@code name} is what problems call it. */
    public static Result read(String text, String name) {
        TopologyReader reader = new TopologyReader();
        return reader.guard(
                ConfigOriginFactory.newFile(name),
                () -> ConfigFactory.parseString(
                        text, ConfigParseOptions.defaults().setOriginDescription(name)));
    }

    private Result parse(Path file) {
        ConfigOrigin origin = ConfigOriginFactory.newFile(file.toString());
        if (!Files.isRegularFile(file) || !Files.isReadable(file)) {
            problems.add(origin, Files.exists(file) ? "is not a file that can be read" : "does not exist");
            return new Invalid(problems.sorted());
        }
        try {
            Files.readString(file); // Typesafe Config would replace what is not UTF-8 without a word
        } catch (IOException e) {
            problems.add(origin, e instanceof CharacterCodingException ? "is not UTF-8 text" : "cannot be read");
            return new Invalid(problems.sorted());
        }
        return guard(
                origin,
                () -> ConfigFactory.parseFile(
                        file.toFile(), ConfigParseOptions.defaults().setAllowMissing(false)));
    }

    private Result guard(ConfigOrigin origin, Supplier<Config> parser) {
        try {
            Topology topology = build(parser.get().resolve(), origin);
            if (topology != null && problems.isEmpty()) {
                return new Valid(topology);
            }
        } catch (ConfigException e) {
            problems.add(e.origin() != null ? e.origin() : origin, plain(e, origin));
        }
        return new Invalid(problems.sorted());
    }

    /** Typesafe Config puts file and line in front of its messages; here they come from the origin. */
    private static String plain(ConfigException e, ConfigOrigin origin) {
        String message = String.valueOf(e.getMessage());
        if (e.getCause() instanceof FileNotFoundException missing) {
            return "the file that is to be included cannot be read: " + missing.getMessage();
        }
        if (message.contains("end of file")) {
            return "the file ends inside a section or a list: a } or ] is missing";
        }
        ConfigOrigin where = e.origin() != null ? e.origin() : origin;
        String prefix = where.description() + ": ";
        return message.startsWith(prefix) ? message.substring(prefix.length()) : message;
    }

    private @Nullable Topology build(Config file, ConfigOrigin origin) {
        for (String key : file.root().keySet()) {
            if (!Set.of("sluice", "pekko").contains(key)) {
                problems.add(
                        file.root().get(key).origin(),
                        key + " is not a section; a topology file has \"sluice\" (and may have \"pekko\")"
                                + Problems.suggestion(key, Set.of("sluice", "pekko")));
            }
        }
        ConfigObject sluice = object(file.root(), "sluice");
        object(file.root(), "pekko");
        if (sluice == null) {
            if (file.root().containsKey("sluice")) {
                return null; // and it was said what it is instead
            }
            problems.add(origin, "has no section \"sluice\": write sluice { sources { … } sinks { … } }");
            return null;
        }
        ConfigObject defaults = reference.getObject("sluice");
        Settings global = new Settings("sluice", sluice, defaults.withoutKey("defaults"), problems);
        Duration drainTimeout = global.duration("drain-timeout", Duration.ZERO);
        readSection(global, sluice, "sources", this::readSource);
        readSection(global, sluice, "filters", this::readFilter);
        readSection(global, sluice, "sinks", this::readSink);
        global.finish();
        Config pekko =
                file.root().get("pekko") instanceof ConfigObject ? file.withOnlyPath("pekko") : ConfigFactory.empty();
        return join(sluice, drainTimeout, pekko);
    }

    /** Reads the settings of one node of a known type. */
    @FunctionalInterface
    private interface NodeReader {
        void read(String name, String type, Settings settings);
    }

    private void readSection(Settings global, ConfigObject sluice, String section, NodeReader reader) {
        global.section(section);
        ConfigObject nodes = object(sluice, section);
        if (nodes == null) {
            return;
        }
        for (String name : new TreeSet<>(nodes.keySet())) {
            ConfigObject node = object(nodes, name);
            if (node == null) {
                continue;
            }
            ConfigOrigin before = origins.put(name, node.origin());
            if (before != null) {
                problems.add(
                        node.origin(),
                        section + "." + name + " has the name of another node (line " + before.lineNumber()
                                + "): every node needs a name of its own");
            }
            ConfigValue typeValue = node.get("type");
            if (typeValue != null && typeValue.valueType() == ConfigValueType.NULL) {
                typeValue = null;
            }
            String type = typeValue == null ? "" : String.valueOf(typeValue.unwrapped());
            Map<String, ConfigObject> known = types(section);
            ConfigObject defaults = known.get(type);
            if (defaults == null) {
                problems.add(
                        typeValue == null ? node.origin() : typeValue.origin(),
                        section + "." + name
                                + (typeValue == null ? " has no type" : ".type is \"" + type + "\"")
                                + "; write one of " + String.join(", ", known.keySet())
                                + Problems.suggestion(type, known.keySet()));
                readFrom(section, name, node);
                continue;
            }
            Settings settings = new Settings(section + "." + name, node, defaults, problems);
            settings.text("type");
            if (!section.equals("sources")) {
                settings.text("from");
            }
            readFrom(section, name, node);
            reader.read(name, type, settings);
            settings.finish();
        }
    }

    /** Notes what a node takes its frames from, if it says so in a word; if not, its settings report that. */
    private void readFrom(String section, String name, ConfigObject node) {
        ConfigValue value = node.get("from");
        if (!section.equals("sources") && value != null && value.valueType() == ConfigValueType.STRING) {
            from.put(name, String.valueOf(value.unwrapped()));
            fromProblems.put(name, text -> problems.add(value.origin(), section + "." + name + ".from " + text));
        }
    }

    /** The types that a section knows, with their defaults. */
    private Map<String, ConfigObject> types(String section) {
        Map<String, ConfigObject> known = new TreeMap<>();
        ConfigObject all = reference.getObject("sluice.defaults." + section);
        for (String type : all.keySet()) {
            known.put(type, reference.getObject("sluice.defaults." + section + "." + type));
        }
        if (section.equals("filters")) {
            for (String type : factories.keySet()) {
                known.putIfAbsent(type, ConfigFactory.empty().root());
            }
        }
        return known;
    }

    private void readSource(String name, String type, Settings settings) {
        int buffers = (int) settings.count("buffers", 2, MOST_BUFFERS);
        switch (type) {
            case "driver" -> {
                Path device = path(settings, "device");
                long bufferBytes = wholePages(settings, Libc.pageBytes());
                sources.put(name, new Topology.Driver(name, new DriverDevice.Settings(device, bufferBytes, buffers)));
            }
            case "replay" -> {
                Path file = path(settings, "path");
                long frameBytes = settings.bytes("frame-size", 1, MOST_FRAME_BYTES);
                boolean loop = settings.flag("loop");
                sources.put(
                        name, new Topology.Replay(name, new ReplayDevice.Settings(file, frameBytes, buffers, loop)));
            }
            default ->
                sources.put(
                        name,
                        new Topology.Simulated(
                                name,
                                new SimulatedDevice.Settings(
                                        wholePages(settings, PAGE_BYTES),
                                        buffers,
                                        settings.bytes("rate", 0),
                                        settings.count("frames", 0, Long.MAX_VALUE),
                                        settings.number("short-frames", 0, 1),
                                        settings.count("seed", Long.MIN_VALUE, Long.MAX_VALUE),
                                        settings.flag("poison"))));
        }
    }

    private static Path path(Settings settings, String key) {
        try {
            return Path.of(settings.text(key));
        } catch (InvalidPathException e) {
            settings.problem(key, "is not a path: " + e.getReason());
            return Path.of(Settings.MISSING);
        }
    }

    private static long wholePages(Settings settings, long pageBytes) {
        long bytes = settings.bytes("buffer-size", pageBytes, MOST_FRAME_BYTES);
        if (bytes % pageBytes != 0) {
            settings.problem("buffer-size", "is " + bytes + "; it must be a multiple of " + pageBytes + ", a page");
        }
        return bytes;
    }

    private void readFilter(String name, String type, Settings settings) {
        FilterFactory factory = factories.get(type);
        if (factory != null) {
            filters.put(name, factory.configure(settings));
        }
    }

    private void readSink(String name, String type, Settings settings) {
        HostAndPort to = HostAndPort.read(settings, "connect");
        Duration min = settings.duration("reconnect-min", Duration.ofMillis(1));
        Duration max = settings.duration("reconnect-max", Duration.ofMillis(1));
        if (max.compareTo(min) < 0) {
            settings.problem("reconnect-max", "is shorter than reconnect-min");
        }
        sinks.put(
                name,
                new Topology.TcpSink(
                        name,
                        to.host(),
                        to.port(),
                        settings.choice("framing", Framing.class),
                        (int) settings.count("stream-id", 0, Integer.MAX_VALUE),
                        new Transports.Options(
                                settings.choice("transport", TransportChoice.class),
                                settings.bytes("zerocopy-threshold", 0),
                                (int) settings.count("plain-after-copied", 0, Integer.MAX_VALUE)),
                        (int) settings.bytes("send-buffer", 0, Integer.MAX_VALUE),
                        settings.duration("connect-timeout", Duration.ofMillis(1)),
                        new Topology.Backoff(min, max, settings.number("reconnect-jitter", 0, 1))));
    }

    /** Follows "from" from the sink back to the source, and reports every node that is not on that way. */
    private @Nullable Topology join(ConfigObject sluice, Duration drainTimeout, Config pekko) {
        if (object(sluice, "sources") == null
                || sluice.toConfig().getObject("sources").isEmpty()) {
            problems.add(sluice.origin(), "there is no source: write sources { NAME { type = …, … } }");
        }
        if (object(sluice, "sinks") == null
                || sluice.toConfig().getObject("sinks").isEmpty()) {
            problems.add(
                    sluice.origin(), "there is no sink: write sinks { NAME { type = tcp, from = …, connect = … } }");
        }
        from.forEach(this::checkFrom);
        Topology.TcpSink sink =
                sinks.isEmpty() ? null : sinks.values().iterator().next();
        if (sink == null || !problems.isEmpty()) {
            return null;
        }
        List<Topology.FilterNode> chain = new ArrayList<>();
        Set<String> used = new HashSet<>();
        String at = sink.name();
        while (used.add(at) && from.containsKey(at)) {
            String before = from.getOrDefault(at, "");
            Supplier<Filter> filter = filters.get(before);
            if (filter != null && !used.contains(before)) {
                chain.addFirst(new Topology.FilterNode(before, filter));
            }
            at = before;
        }
        Topology.Source source = sources.get(at);
        if (source == null) {
            problems.add(origin(at), "filter " + at + " takes its frames from itself, by way of the filters after it");
        }
        for (String name : origins.keySet()) {
            if (!used.contains(name)) {
                problems.add(
                        origin(name),
                        name + " is not on the way from a source to " + sink.name()
                                + ": this version runs one source, a chain of filters and one sink");
            }
        }
        return source == null ? null : new Topology(source, List.copyOf(chain), sink, drainTimeout, pekko);
    }

    private void checkFrom(String node, String before) {
        Set<String> takeable = new TreeSet<>(origins.keySet());
        takeable.removeIf(name -> sinks.containsKey(name) || name.equals(node));
        Consumer<String> report = fromProblems.get(node);
        if (report != null && !takeable.contains(before)) {
            report.accept("is \"" + before + "\", which is no source or filter here; there are "
                    + String.join(", ", takeable) + Problems.suggestion(before, takeable));
        }
    }

    private ConfigOrigin origin(String node) {
        return origins.getOrDefault(node, ConfigOriginFactory.newSimple("topology"));
    }

    /** The object at a key, or null if there is none; anything else there is a problem. */
    private @Nullable ConfigObject object(ConfigObject parent, String key) {
        ConfigValue value = parent.get(key);
        if (value == null || value instanceof ConfigObject) {
            return (ConfigObject) value;
        }
        problems.add(
                value.origin(),
                key + " is " + value.render(ConfigRenderOptions.concise()) + "; it must be a section: " + key
                        + " { … }");
        return null;
    }
}
