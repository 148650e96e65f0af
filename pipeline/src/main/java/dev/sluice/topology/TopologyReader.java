// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigOriginFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import dev.sluice.device.DeviceProtocolFactory;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.MappedDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import dev.sluice.linux.Libc;
import dev.sluice.transport.RotatingFile;
import dev.sluice.transport.TransportChoice;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Delivery;
import dev.sluice.wire.Framing;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.Session;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    /** At once, of one sink. Each has a header and a transfer for every buffer. */
    private static final int MOST_RECEIVERS = 64;

    private static final List<String> CONNECT_ONLY =
            List.of("connect-timeout", "reconnect-min", "reconnect-max", "reconnect-jitter");
    private static final Set<TransportChoice> REFERRING =
            EnumSet.of(TransportChoice.ZEROCOPY, TransportChoice.URING, TransportChoice.SPLICE);
    private static final List<String> LISTEN_ONLY = List.of("receivers", "allow");
    private static final List<String> FRAMED_ONLY =
            List.of("delivery", "checksums", "handshake-timeout", "peer-timeout", "auth");

    private static final Pattern SUBSTITUTION = Pattern.compile("\\$\\{[^}]*}");

    private final Problems problems = new Problems();
    private final Problems warnings = new Problems();
    private final Config reference = ConfigFactory.defaultReference(TopologyReader.class.getClassLoader());
    private final Plugins plugins = new Plugins();

    private final Path folder;
    private final Joints joints = new Joints(problems);
    private final List<Topology.Source> sources = new ArrayList<>();
    private final List<Topology.FilterNode> filters = new ArrayList<>();
    private final List<Topology.Sink> sinks = new ArrayList<>();
    private final List<Topology.FilterTest> tests = new ArrayList<>();

    private Duration longestPause = Duration.ZERO;

    /** Where a ring is told that does not hold the longest pause: a problem for who asked for it. */
    private Problems tooSmall = warnings;

    private TopologyReader(Path folder) {
        this.folder = folder;
    }

    /** What a file holds: a topology, or the reasons why it holds none. */
    public sealed interface Result {}

    /** The file is right. */
    public record Valid(Topology topology) implements Result {}

    /** All that is wrong with it, in the order of the file. */
    public record Invalid(List<Problems.Problem> problems) implements Result {}

    /** Reads a file. */
    public static Result read(Path file) {
        Path folder = file.toAbsolutePath().getParent();
        return new TopologyReader(folder == null ? Path.of("") : folder).parse(file);
    }

    /** Reads a text; {@code name} is what problems call it. Paths of its tests count from where the process runs. */
    public static Result read(String text, String name) {
        TopologyReader reader = new TopologyReader(Path.of(""));
        reader.problems.source(name, text);
        reader.warnings.source(name, text);
        return reader.guard(
                ConfigOriginFactory.newFile(name),
                text,
                () -> ConfigFactory.parseString(
                        text,
                        ConfigParseOptions.defaults()
                                .setIncluder(new Includes(text))
                                .setOriginDescription(name)));
    }

    private Result parse(Path file) {
        ConfigOrigin origin = ConfigOriginFactory.newFile(file.toString());
        if (!Files.isRegularFile(file) || !Files.isReadable(file)) {
            problems.add(origin, Files.exists(file) ? "is not a file that can be read" : "does not exist");
            return new Invalid(problems.sorted());
        }
        String problem = Includes.problem(file);
        if (!problem.isEmpty()) {
            problems.add(origin, problem);
            return new Invalid(problems.sorted());
        }
        String text;
        try {
            text = Files.readString(file); // Typesafe Config would replace what is not UTF-8 without a word
        } catch (IOException e) {
            problems.add(origin, e instanceof CharacterCodingException ? "is not UTF-8 text" : "cannot be read");
            return new Invalid(problems.sorted());
        }
        return guard(
                origin,
                text,
                () -> ConfigFactory.parseFile(
                        file.toFile(),
                        ConfigParseOptions.defaults()
                                .setIncluder(new Includes(text))
                                .setAllowMissing(false)));
    }

    private Result guard(ConfigOrigin origin, String text, Supplier<Config> parser) {
        int tooLongFrom = Expansion.tooLongFrom(text);
        if (tooLongFrom > 0) {
            problems.add(
                    origin.withLineNumber(tooLongFrom),
                    "makes the text too long: what is put in here has been put in too often before, one in the other");
            return new Invalid(problems.sorted());
        }
        try {
            Topology topology = build(parser.get().resolve(), origin);
            if (topology != null && problems.isEmpty()) {
                return new Valid(topology);
            }
        } catch (StackOverflowError e) {
            // Typesafe Config calls itself for each level, and has no limit of its own.
            problems.add(origin, "has sections, lists or keys that are nested too deeply to be read");
        } catch (ConfigException e) {
            String message = plain(e, origin);
            Matcher substitution = SUBSTITUTION.matcher(message);
            problems.add(
                    e.origin() != null ? e.origin() : origin, substitution.find() ? substitution.group() : "", message);
        }
        return new Invalid(problems.sorted());
    }

    /** Typesafe Config puts file and line in front of its messages; here they come from the origin. */
    private static String plain(ConfigException e, ConfigOrigin origin) {
        String message = String.valueOf(e.getMessage());
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
                        key,
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
        Topology.Restarts restarts = restarts(global);
        longestPause = global.duration("longest-pause", Duration.ZERO);
        tooSmall = global.written("longest-pause") ? problems : warnings;
        plugins.load(global);
        readSection(global, sluice, "sources", this::readSource);
        readSection(global, sluice, "filters", this::readFilter);
        readSection(global, sluice, "sinks", this::readSink);
        readTests(global, sluice);
        global.finish();
        Config pekko =
                file.root().get("pekko") instanceof ConfigObject ? file.withOnlyPath("pekko") : ConfigFactory.empty();
        return join(sluice, drainTimeout, restarts, pekko);
    }

    private Topology.Restarts restarts(Settings global) {
        Settings written = global.inner("restarts");
        Settings settings = written != null
                ? written
                : new Settings(
                        "sluice.restarts",
                        ConfigFactory.empty().root(),
                        reference.getObject("sluice.restarts"),
                        problems);
        Topology.Restarts restarts = new Topology.Restarts(
                (int) settings.count("most", 0, Integer.MAX_VALUE),
                settings.duration("within", Duration.ofMillis(1)),
                new Topology.Backoff(
                        settings.duration("backoff-min", Duration.ofMillis(1)),
                        settings.duration("backoff-max", Duration.ofMillis(1)),
                        0));
        if (restarts.backoff().max().compareTo(restarts.backoff().min()) < 0) {
            settings.problem("backoff-max", "is shorter than backoff-min");
        }
        settings.finish();
        return restarts;
    }

    /** Reads the settings of one node of a known type. */
    @FunctionalInterface
    private interface NodeReader {
        void read(Topology.Node node, String type, List<String> from, Settings settings);
    }

    private void readSection(Settings global, ConfigObject sluice, String section, NodeReader reader) {
        global.section(section);
        ConfigObject nodes = object(sluice, section);
        if (nodes == null) {
            return;
        }
        for (String name : inOrder(nodes)) {
            ConfigObject node = object(nodes, name);
            if (node != null) {
                readNode(section, name, node, reader);
            }
        }
    }

    private void readTests(Settings global, ConfigObject sluice) {
        global.section("tests");
        ConfigObject nodes = object(sluice, "tests");
        if (nodes == null) {
            return;
        }
        FilterTestReader reader = new FilterTestReader(folder);
        for (String name : inOrder(nodes)) {
            ConfigObject node = object(nodes, name);
            if (node != null) {
                Settings settings =
                        new Settings("tests." + name, node, reference.getObject("sluice.defaults.tests"), problems);
                tests.add(reader.read(new Topology.Node(name, node, node.origin()), settings, filters));
                settings.finish();
            }
        }
    }

    /** As the file has them: the order in which streams are numbered and problems are told. */
    private static List<String> inOrder(ConfigObject nodes) {
        return nodes.keySet().stream()
                .sorted(Comparator.comparingInt((String name) -> nodes.toConfig()
                                .getValue(ConfigUtil.quoteString(name))
                                .origin()
                                .lineNumber())
                        .thenComparing(Comparator.naturalOrder()))
                .toList();
    }

    private void readNode(String section, String name, ConfigObject node, NodeReader reader) {
        ConfigValue typeValue = node.get("type");
        if (typeValue != null && typeValue.valueType() == ConfigValueType.NULL) {
            typeValue = null;
        }
        String type = typeValue == null ? "" : String.valueOf(typeValue.unwrapped());
        Map<String, ConfigObject> known = types(section);
        ConfigObject defaults = known.get(type);
        boolean takes = !section.equals("sources");
        ConfigValue from = node.get("from");
        if (defaults == null) {
            String what =
                    "; write one of " + String.join(", ", known.keySet()) + Problems.suggestion(type, known.keySet());
            if (typeValue == null) {
                problems.addKey(
                        node.origin(), List.of("sluice", section, name), section + "." + name + " has no type" + what);
            } else {
                problems.addValue(
                        typeValue.origin(),
                        List.of("sluice", section, name, "type"),
                        type,
                        section + "." + name + ".type is \"" + type + "\"" + what);
            }
            joints.add(section, name, node.origin(), takes ? names(from) : List.of(), origin(from, node));
            return;
        }
        Settings settings = new Settings(section + "." + name, node, defaults, problems);
        settings.text("type");
        List<String> takesFrom = takes ? settings.texts("from") : List.of();
        joints.add(section, name, node.origin(), takesFrom, origin(from, node));
        reader.read(new Topology.Node(name, node, node.origin()), type, takesFrom, settings);
        settings.finish();
    }

    /** What a node of an unknown type names as "from": no more is said about it than that its type is unknown. */
    private static List<String> names(@Nullable ConfigValue from) {
        if (from instanceof ConfigList list) {
            return list.stream().map(name -> String.valueOf(name.unwrapped())).toList();
        }
        return from == null || from.unwrapped() == null ? List.of() : List.of(String.valueOf(from.unwrapped()));
    }

    private static ConfigOrigin origin(@Nullable ConfigValue value, ConfigObject otherwise) {
        return value != null ? value.origin() : otherwise.origin();
    }

    /** The types that a section knows, with their defaults. */
    private Map<String, ConfigObject> types(String section) {
        Map<String, ConfigObject> known = new TreeMap<>();
        ConfigObject all = reference.getObject("sluice.defaults." + section);
        for (String type : all.keySet()) {
            known.put(type, reference.getObject("sluice.defaults." + section + "." + type));
        }
        if (section.equals("filters")) {
            for (String type : plugins.filterTypes()) {
                known.putIfAbsent(type, plugins.defaults("filters", type));
            }
        }
        return known;
    }

    private void readSource(Topology.Node node, String type, List<String> from, Settings settings) {
        int problemsBefore = problems.count();
        int buffers = (int) settings.count("buffers", 2, MOST_BUFFERS);
        sources.add(
                switch (type) {
                    case "mapped" -> {
                        Path device = path(settings, "device");
                        long bufferBytes = wholePages(settings, Libc.pageBytes());
                        Rate rate = new Rate("expected-rate", settings.bytes("expected-rate", 0));
                        checkRing(node, rate, buffers, bufferBytes, problemsBefore);
                        DeviceProtocolFactory.Opener protocol = plugins.protocol(node, settings);
                        yield new Topology.Mapped(
                                node, new MappedDevice.Settings(device, bufferBytes, buffers, protocol));
                    }
                    case "driver" -> {
                        Path device = path(settings, "device");
                        long bufferBytes = wholePages(settings, Libc.pageBytes());
                        boolean keep = settings.flag("keep");
                        Rate rate = new Rate("expected-rate", settings.bytes("expected-rate", 0));
                        checkRing(node, rate, buffers, bufferBytes, problemsBefore);
                        yield new Topology.Driver(node, new DriverDevice.Settings(device, bufferBytes, buffers, keep));
                    }
                    case "replay" -> {
                        Path file = path(settings, "path");
                        long frameBytes = settings.bytes("frame-size", 1, MOST_FRAME_BYTES);
                        boolean loop = settings.flag("loop");
                        yield new Topology.Replay(node, new ReplayDevice.Settings(file, frameBytes, buffers, loop));
                    }
                    default -> {
                        long bufferBytes = wholePages(settings, PAGE_BYTES);
                        Rate rate = new Rate("rate", settings.bytes("rate", 0));
                        checkRing(node, rate, buffers, bufferBytes, problemsBefore);
                        yield new Topology.Simulated(
                                node,
                                new SimulatedDevice.Settings(
                                        bufferBytes,
                                        buffers,
                                        rate.bytesPerSecond(),
                                        settings.count("frames", 0, Long.MAX_VALUE),
                                        settings.number("short-frames", 0, 1),
                                        settings.count("seed", Long.MIN_VALUE, Long.MAX_VALUE),
                                        settings.flag("poison")));
                    }
                });
    }

    /** What a source produces, and the key that says so; 0 if that is not known, or is as much as is taken. */
    private record Rate(String key, long bytesPerSecond) {}

    /** Whether the ring holds what comes during the longest pause. Says nothing where what it would judge by is wrong. */
    private void checkRing(Topology.Node node, Rate rate, int buffers, long bufferBytes, int problemsBefore) {
        BigInteger nanosPerSecond = BigInteger.valueOf(TimeUnit.SECONDS.toNanos(1));
        BigInteger product =
                BigInteger.valueOf(rate.bytesPerSecond()).multiply(BigInteger.valueOf(longestPause.toNanos()));
        BigInteger comes = roundedUp(product, nanosPerSecond); // exact: the ring holds a whole number of bytes
        BigInteger needed = roundedUp(comes, BigInteger.valueOf(bufferBytes));
        if (problems.count() > problemsBefore || needed.compareTo(BigInteger.valueOf(buffers)) <= 0) {
            return;
        }
        boolean possible = needed.compareTo(BigInteger.valueOf(MOST_BUFFERS)) <= 0;
        new Settings(
                        "sources." + node.name(),
                        (ConfigObject) node.written(),
                        ConfigFactory.empty().root(),
                        tooSmall)
                .problem(
                        "buffers",
                        "is " + buffers + ", which hold " + buffers * bufferBytes + " bytes; in the longest-pause of "
                                + longestPause.toMillis() + " ms come " + comes + " at the " + rate.key() + " of "
                                + rate.bytesPerSecond() + " a second: write "
                                + (possible ? "buffers = " + needed : "a larger buffer-size")
                                + ", or what does not fit is lost");
    }

    private static BigInteger roundedUp(BigInteger dividend, BigInteger divisor) {
        return dividend.add(divisor).subtract(BigInteger.ONE).divide(divisor);
    }

    /** A path as written. */
    static Path path(Settings settings, String key) {
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

    private void readFilter(Topology.Node node, String type, List<String> from, Settings settings) {
        plugins.filter(node, type, from, settings).ifPresent(filters::add);
    }

    private void readSink(Topology.Node node, String type, List<String> from, Settings settings) {
        WhenFull whenFull = settings.choice("when-full", WhenFull.class);
        int queue = (int) settings.count("queue", 1, MOST_BUFFERS);
        sinks.add(
                switch (type) {
                    case "tcp" -> {
                        int streamId = (int) settings.count("stream-id", 0, Integer.MAX_VALUE);
                        yield tcp(new Topology.Input(node, from, whenFull, queue, streamId), settings);
                    }
                    case "file" -> file(new Topology.Input(node, from, whenFull, queue, 0), settings);
                    default -> new Topology.DiscardSink(new Topology.Input(node, from, whenFull, queue, 0));
                });
    }

    private static Topology.Sink tcp(Topology.Input input, Settings settings) {
        boolean connects = settings.written("connect");
        boolean listens = settings.written("listen");
        if (connects && listens) {
            settings.problem("listen", "is there besides connect; write one of them");
        } else if (!connects && !listens) {
            settings.missing("connect; write connect = \"host:port\" where a receiver listens, or listen = "
                    + "\"address:port\" for receivers to connect to");
        }
        Session session = session(settings, listens && !connects);
        if (session.tls() != null
                && settings.written("transport")
                && REFERRING.contains(settings.choice("transport", TransportChoice.class))) {
            settings.problem("transport", "sends by reference, and tls encrypts, which copies; leave one of them out");
        }
        Transports.Options transport = new Transports.Options(
                settings.choice("transport", TransportChoice.class),
                settings.bytesOr("auto", Transports.Options.MEASURED, "zerocopy-threshold", 0, Long.MAX_VALUE),
                (int) settings.count("plain-after-copied", 0, Integer.MAX_VALUE),
                session.resumes(),
                (int) settings.bytesOr("auto", Transports.Options.CHOSEN, "send-buffer", 0, Integer.MAX_VALUE));
        if (!listens || connects) {
            forTheOther(settings, listens ? List.of() : LISTEN_ONLY, "listen");
            return connect(input, settings, session, transport);
        }
        forTheOther(settings, CONNECT_ONLY, "connect");
        return listen(input, settings, session, transport);
    }

    private static Session session(Settings settings, boolean listens) {
        Session session = new Session(
                settings.choice("framing", Framing.class),
                settings.choice("delivery", Delivery.class),
                settings.flag("checksums"),
                settings.duration("handshake-timeout", Duration.ofMillis(1)),
                settings.duration("peer-timeout", Duration.ofMillis(10)),
                key(settings),
                tls(settings, !listens));
        if (!session.framed()) {
            for (String key : FRAMED_ONLY) {
                boolean shakesHands = session.tls() != null && key.equals("handshake-timeout");
                if (settings.written(key) && !shakesHands) {
                    settings.problem(key, "is only for framing = sluice; leave it out");
                }
            }
        } else if (session.resumes() && listens && settings.count("receivers", 1, MOST_RECEIVERS) > 1) {
            settings.problem(
                    "delivery",
                    "is resume, and receivers more than 1: what is held for one receiver cannot be held for several; "
                            + "write receivers = 1, or a sink for each");
        }
        return session;
    }

    private static @Nullable KeyFile key(Settings settings) {
        Settings auth = settings.inner("auth");
        if (auth == null) {
            return null;
        }
        KeyFile key = new KeyFile(path(auth, "key-file"));
        auth.finish();
        return key;
    }

    private static @Nullable TlsFiles tls(Settings settings, boolean connects) {
        Settings written = settings.inner("tls");
        if (written == null) {
            return null;
        }
        TlsFiles files = new TlsFiles(
                pathIfWritten(written, "certificate"),
                pathIfWritten(written, "private-key"),
                pathIfWritten(written, "trust"));
        String missing = files.missing(connects);
        if (!missing.isEmpty()) {
            written.missing(missing + " = \"FILE\", in PEM format");
        }
        written.finish();
        return files;
    }

    private static @Nullable Path pathIfWritten(Settings settings, String key) {
        return settings.written(key) ? path(settings, key) : null;
    }

    /** Settings that would do nothing, since they are for a sink that has the other address. */
    private static void forTheOther(Settings settings, List<String> keys, String other) {
        for (String key : keys) {
            if (settings.written(key)) {
                settings.problem(key, "is only for a sink with " + other + "; leave it out");
            }
        }
    }

    private static Topology.TcpSink connect(
            Topology.Input input, Settings settings, Session session, Transports.Options transport) {
        HostAndPort to =
                settings.written("connect") ? HostAndPort.read(settings, "connect") : new HostAndPort("localhost", 1);
        Duration min = settings.duration("reconnect-min", Duration.ofMillis(1));
        Duration max = settings.duration("reconnect-max", Duration.ofMillis(1));
        if (max.compareTo(min) < 0) {
            settings.problem("reconnect-max", "is shorter than reconnect-min");
        }
        return new Topology.TcpSink(
                input,
                to.host(),
                to.port(),
                session,
                transport,
                settings.duration("connect-timeout", Duration.ofMillis(1)),
                new Topology.Backoff(min, max, settings.number("reconnect-jitter", 0, 1)));
    }

    private static Topology.ListenSink listen(
            Topology.Input input, Settings settings, Session session, Transports.Options transport) {
        String text = settings.text("listen");
        HostAndPort parsed = HostAndPort.parse(text);
        InetAddress address = parsed == null ? null : literal(parsed.host());
        List<Cidr> allow = settings.written("allow") ? networks(settings) : List.of();
        if (address == null && !text.isBlank()) {
            settings.problem(
                    "listen",
                    "is \"" + text + "\"; write \"address:port\" with an address of this machine, such as "
                            + "127.0.0.1:7000 or [::1]:7000, or 0.0.0.0:7000 for all that it has");
        } else if (address != null && !address.isLoopbackAddress() && !settings.written("allow")) {
            settings.problem(
                    "listen",
                    "is \"" + text + "\", which others can reach: name who may connect, allow = [\"192.0.2.0/24\"]");
        }
        return new Topology.ListenSink(
                input,
                address == null ? InetAddress.getLoopbackAddress() : address,
                parsed == null ? 0 : parsed.port(),
                (int) settings.count("receivers", 1, MOST_RECEIVERS),
                allow,
                session,
                transport);
    }

    /** Names are not looked up: what a name means here is not what it means to others. */
    private static @Nullable InetAddress literal(String host) {
        try {
            return host.equals("localhost") ? InetAddress.getLoopbackAddress() : InetAddress.ofLiteral(host);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static List<Cidr> networks(Settings settings) {
        List<Cidr> networks = new ArrayList<>();
        for (String text : settings.texts("allow")) {
            Cidr network = Cidr.parse(text);
            if (network != null) {
                networks.add(network);
            } else if (!text.isEmpty()) {
                settings.problem("allow", text, Cidr.problem(text));
            }
        }
        return List.copyOf(networks);
    }

    private static Topology.FileSink file(Topology.Input input, Settings settings) {
        return new Topology.FileSink(
                input,
                new RotatingFile.Settings(
                        path(settings, "path"),
                        settings.flag("direct"),
                        settings.bytes("rotate-size", 0),
                        settings.duration("rotate-after", Duration.ZERO),
                        settings.choice("existing", RotatingFile.Existing.class)),
                settings.choice("framing", Framing.class));
    }

    private @Nullable Topology join(
            ConfigObject sluice, Duration drainTimeout, Topology.Restarts restarts, Config pekko) {
        if (isEmpty(sluice, "sources")) {
            problems.add(sluice.origin(), "sluice", "there is no source: write sources { NAME { type = …, … } }");
        }
        if (isEmpty(sluice, "sinks")) {
            problems.add(
                    sluice.origin(),
                    "sluice",
                    "there is no sink: write sinks { NAME { type = tcp, from = …, connect = … } }");
        }
        joints.check();
        if (!problems.isEmpty()) {
            return null;
        }
        Topology topology = new Topology(
                List.copyOf(sources),
                List.copyOf(filters),
                List.copyOf(sinks),
                List.copyOf(tests),
                warnings.sorted(),
                drainTimeout,
                restarts,
                pekko);
        topology.sinks().forEach(sink -> {
            checkQueue(topology, sink);
            checkSplice(topology, sink);
        });
        checkFiles();
        return topology;
    }

    /** It never says when the kernel is done with a buffer, so something else must. */
    private void checkSplice(Topology topology, Topology.Sink sink) {
        if (!(sink instanceof Topology.SocketSink socket)
                || socket.transport().choice() != TransportChoice.SPLICE
                || socket.transport().held()) {
            return;
        }
        for (Topology.Source source : sourcesOf(topology, sink)) {
            if (!(source instanceof Topology.Driver || source instanceof Topology.Replay)) {
                problems.addKey(
                        sink.input().node().origin(),
                        List.of("sluice", "sinks", sink.name(), "transport"),
                        "sinks." + sink.name()
                                + ".transport is splice, which never says when the kernel is done with a "
                                + "buffer of sources." + source.name()
                                + ": write delivery = resume, so that the receiver does, or transport = auto; only a "
                                + "driver looks itself, and only a replay never changes");
                return;
            }
        }
    }

    /** By the sink's streams, in their order. */
    private static List<Topology.Source> sourcesOf(Topology topology, Topology.Sink sink) {
        return topology.streams(sink.name()).stream()
                .flatMap(stream -> topology.sources().stream()
                        .filter(source -> source.name().equals(stream.source())))
                .toList();
    }

    /** What waits in a queue is not the DMA engine's, nor anybody else's. */
    private void checkQueue(Topology topology, Topology.Sink sink) {
        Topology.Input input = sink.input();
        if (input.whenFull() == WhenFull.BLOCK) {
            return;
        }
        for (Topology.Source source : sourcesOf(topology, sink)) {
            if (input.queue() > source.buffers() / 2) {
                problems.addKey(
                        input.node().origin(),
                        List.of("sluice", "sinks", sink.name(), "queue"),
                        "sinks." + sink.name() + ".queue is " + input.queue() + ", more than half of the "
                                + source.buffers() + " buffers of sources." + source.name()
                                + ": with all of them waiting here too few would be left for the others");
                return;
            }
        }
    }

    /** Two writers of one file would write over each other, and one that is replayed would never end. */
    private void checkFiles() {
        Map<Path, String> users = new HashMap<>();
        for (Topology.Source source : sources) {
            if (source instanceof Topology.Replay replay) {
                users.put(replay.settings().path().toAbsolutePath().normalize(), "sources." + source.name());
            }
        }
        for (Topology.Sink sink : sinks) {
            if (sink instanceof Topology.FileSink file) {
                Path path = file.file().path().toAbsolutePath().normalize();
                String user = users.putIfAbsent(path, "sinks." + sink.name());
                if (user != null) {
                    problems.addKey(
                            sink.node().origin(),
                            List.of("sluice", "sinks", sink.name(), "path"),
                            "sinks." + sink.name() + ".path is the file of " + user + "; name another one");
                }
            }
        }
    }

    private static boolean isEmpty(ConfigObject sluice, String section) {
        return !(sluice.get(section) instanceof ConfigObject nodes) || nodes.isEmpty();
    }

    /** The object at a key, or null if there is none; anything else there is a problem. */
    private @Nullable ConfigObject object(ConfigObject parent, String key) {
        ConfigValue value = parent.get(key);
        if (value == null || value instanceof ConfigObject) {
            return (ConfigObject) value;
        }
        problems.add(
                value.origin(),
                key,
                key + " is " + value.render(ConfigRenderOptions.concise()) + "; it must be a section: " + key
                        + " { … }");
        return null;
    }
}
