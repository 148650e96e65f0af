// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigUtil;
import dev.sluice.device.DeviceProtocolFactory;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import dev.sluice.flow.FlowFactory;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.jspecify.annotations.Nullable;

/**
 * The types of filters, flows and protocols that there are: those that ship, and those of the user's jars. Whatever a jar
 * does wrong is a problem of the configuration, with a sentence of its own that names the jar, and nothing else stops for
 * it.
 */
final class Plugins {

    private static final String REFERENCE = "reference.conf";

    private final Map<String, FilterFactory> filters = new TreeMap<>();
    private final Map<String, FlowFactory> flows = new TreeMap<>();
    private final Map<String, DeviceProtocolFactory> protocols = new TreeMap<>();
    private Config reference = ConfigFactory.empty();

    /** A user's jar, as far as it could be read. Its classes may need those of others, so they share a loader. */
    private record Jar(Path path, Map<String, List<String>> services, Config reference) {
        String name() {
            return nameOf(path);
        }
    }

    /** Loads what the folder named by {@code plugins} has. The jars stay open for as long as the process runs. */
    void load(Settings global) {
        ClassLoader own = Plugins.class.getClassLoader();
        List<Jar> jars = jars(global);
        URL[] urls = jars.stream().map(jar -> url(jar.path())).toArray(URL[]::new);
        ClassLoader loader = urls.length == 0 ? own : new URLClassLoader("plugins", urls, own);
        reference = ConfigFactory.defaultReference(own);
        for (Jar jar : jars) {
            reference = reference.withFallback(jar.reference());
        }
        load(global, FilterFactory.class, jars, loader, FilterFactory::type, filters);
        load(global, FlowFactory.class, jars, loader, FlowFactory::type, flows);
        load(global, DeviceProtocolFactory.class, jars, loader, DeviceProtocolFactory::protocol, protocols);
        for (String type : Set.copyOf(flows.keySet())) {
            FilterFactory filter = filters.get(type);
            FlowFactory flow = flows.get(type);
            if (filter != null && flow != null) {
                flows.remove(type);
                global.problem("plugins", "has " + who(flow) + " of type \"" + type + "\", " + taken(filter));
            }
        }
    }

    /** A relative path counts from where Sluice is installed, as its script says; else from where it was started. */
    private static List<Jar> jars(Settings global) {
        Path folder = TopologyReader.path(global, "plugins");
        Path base = Path.of(System.getProperty("sluice.home", ""));
        Path resolved = base.resolve(folder);
        if (!Files.isDirectory(resolved)) {
            if (global.written("plugins")) {
                global.problem(
                        "plugins",
                        "is \"" + folder + "\", which is not a folder (" + resolved.toAbsolutePath()
                                + "): name the one with your jars, or leave it out");
            }
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> paths = Files.newDirectoryStream(resolved, "*.jar")) {
            paths.forEach(found::add);
        } catch (IOException | DirectoryIteratorException e) {
            global.problem("plugins", "is \"" + folder + "\", which cannot be read: " + e.getMessage());
        }
        List<Jar> jars = new ArrayList<>();
        found.stream().sorted().forEach(path -> {
            try (JarFile file = new JarFile(path.toFile())) {
                jars.add(read(global, path, file));
            } catch (IOException | RuntimeException e) {
                global.problem(
                        "plugins",
                        "has " + nameOf(path) + ", which cannot be read as a jar (" + oneLine(e)
                                + "): build it anew, or take it away");
            }
        });
        return jars;
    }

    /** By itself, without the loader, whose messages would not say which jar it was. */
    private static Jar read(Settings global, Path path, JarFile file) throws IOException {
        Map<String, List<String>> services = new HashMap<>();
        for (Class<?> kind : List.of(FilterFactory.class, FlowFactory.class, DeviceProtocolFactory.class)) {
            List<String> names = text(file, service(kind))
                    .lines()
                    .map(line -> line.replaceFirst("#.*", "").strip())
                    .filter(name -> !name.isEmpty())
                    .distinct()
                    .toList();
            services.put(kind.getName(), names);
        }
        Config reference = ConfigFactory.empty();
        try {
            reference = ConfigFactory.parseString(
                            text(file, REFERENCE), ConfigParseOptions.defaults().setOriginDescription(REFERENCE))
                    .resolve();
        } catch (ConfigException e) {
            global.problem(
                    "plugins", "has " + nameOf(path) + ", whose reference.conf cannot be read: correct " + oneLine(e));
        }
        return new Jar(path, services, reference);
    }

    private static String text(JarFile file, String name) throws IOException {
        ZipEntry entry = file.getEntry(name);
        if (entry == null) {
            return "";
        }
        try (InputStream in = file.getInputStream(entry)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static String service(Class<?> kind) {
        return "META-INF/services/" + kind.getName();
    }

    private static String nameOf(Path jar) {
        return String.valueOf(jar.getFileName());
    }

    private static URL url(Path jar) {
        try {
            return jar.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new IllegalStateException(e); // a file always has one
        }
    }

    /** What somebody else's class threw, as a part of a sentence. */
    private static String oneLine(Throwable thrown) {
        String text = thrown instanceof ConfigException || thrown instanceof IOException
                ? String.valueOf(thrown.getMessage())
                : thrown.toString();
        return text.replaceAll("\\s+", " ");
    }

    /** Those that ship, or lie on the class path, first: a jar does not replace them. */
    private static <F> void load(
            Settings global,
            Class<F> kind,
            List<Jar> jars,
            ClassLoader loader,
            Function<F, @Nullable String> typeOf,
            Map<String, F> into) {
        for (F factory : ServiceLoader.load(kind, Plugins.class.getClassLoader())) {
            into.put(String.valueOf(typeOf.apply(factory)), factory);
        }
        for (Jar jar : jars) {
            for (String name : jar.services().getOrDefault(kind.getName(), List.of())) {
                String problem = load(kind, name, loader, typeOf, into);
                if (!problem.isEmpty()) {
                    global.problem("plugins", "has " + jar.name() + ", " + problem);
                }
            }
        }
    }

    /** Loads one class; what is wrong with it, or nothing. */
    private static <F> String load(
            Class<F> kind, String name, ClassLoader loader, Function<F, @Nullable String> typeOf, Map<String, F> into) {
        Class<?> found;
        try {
            found = Class.forName(name, false, loader);
        } catch (ClassNotFoundException e) {
            return "whose " + service(kind) + " names \"" + name + "\", which is no class in it: correct the name";
        } catch (LinkageError e) {
            return cannotBeLoaded(name, e);
        }
        if (!kind.isAssignableFrom(found)) {
            return "whose " + service(kind) + " names " + name + ", which does not implement " + kind.getSimpleName();
        }
        F factory;
        try {
            factory = kind.cast(found.getConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            return e instanceof InvocationTargetException && e.getCause() != null
                    ? "whose " + name + " failed in its constructor: " + oneLine(e.getCause())
                    : "whose " + name + " must be a public class with a public constructor without arguments";
        } catch (LinkageError e) {
            return cannotBeLoaded(name, e);
        }
        String type;
        try {
            type = typeOf.apply(factory);
        } catch (Throwable e) { // errors too: a missing class or too deep a recursion is the jar's, not ours
            return "whose " + name + " failed to say its type: " + oneLine(e);
        }
        if (type == null || type.isBlank()) {
            return "whose " + name + " has no type: make it return the word that selects it";
        }
        F before = into.putIfAbsent(type, factory);
        return before == null ? "" : "whose " + name + " has the type \"" + type + "\", " + taken(before);
    }

    private static String cannotBeLoaded(String name, LinkageError e) {
        return "whose " + name + " cannot be loaded: " + oneLine(e) + ": add what it needs to the folder";
    }

    private static String taken(Object before) {
        return "which " + who(before) + " has already: rename one, or take it away";
    }

    /** A factory, and the jar that it is from if it does not ship. */
    private static String who(Object factory) {
        String name = factory.getClass().getName();
        CodeSource from = factory.getClass().getProtectionDomain().getCodeSource();
        return factory.getClass().getClassLoader() instanceof URLClassLoader && from != null
                ? name + " of " + Path.of(from.getLocation().getPath()).getFileName()
                : name;
    }

    Set<String> filterTypes() {
        Set<String> types = new TreeSet<>(filters.keySet());
        types.addAll(flows.keySet());
        return types;
    }

    /** What a jar's own reference.conf has at sluice.defaults.SECTION.TYPE. */
    ConfigObject defaults(String section, String type) {
        String path = ConfigUtil.joinPath("sluice", "defaults", section, type);
        return reference.hasPath(path) && reference.getValue(path) instanceof ConfigObject defaults
                ? defaults
                : ConfigFactory.empty().root();
    }

    /** Configures a filter or flow; nothing if that failed, which is a problem then. */
    Optional<Topology.FilterNode> filter(Topology.Node node, String type, List<String> from, Settings settings) {
        FilterFactory filter = filters.get(type);
        if (filter != null) {
            return configured(node, settings, "type", type, filter, () -> filter.configure(settings))
                    .map(maker -> new Topology.OfFilter(node, from, maker));
        }
        FlowFactory flow = flows.get(type);
        return flow == null
                ? Optional.empty()
                : configured(node, settings, "type", type, flow, () -> flow.configure(settings))
                        .map(maker -> new Topology.OfFlow(node, from, maker));
    }

    /** The protocol that a source of type mapped names. */
    DeviceProtocolFactory.Opener protocol(Topology.Node node, Settings settings) {
        String name = settings.text("protocol");
        DeviceProtocolFactory factory = protocols.get(name);
        DeviceProtocolFactory.Opener none = (device, buffers, bufferBytes) -> {
            throw new IOException("there is no protocol " + name);
        };
        if (factory != null) {
            return configured(node, settings, "protocol", name, factory, () -> factory.configure(settings))
                    .orElse(none);
        }
        if (!name.isBlank() && !name.equals(Settings.MISSING)) {
            settings.problem(
                    "protocol",
                    name,
                    "is \"" + name + "\", which no jar in the plugins folder has; "
                            + (protocols.isEmpty()
                                    ? "there are none"
                                    : "there are " + String.join(", ", protocols.keySet()))
                            + Problems.suggestion(name, protocols.keySet()));
        }
        return none;
    }

    private static <T> Optional<T> configured(
            Topology.Node node,
            Settings settings,
            String key,
            String type,
            Object factory,
            Supplier<@Nullable T> configure) {
        String why;
        try {
            T made = configure.get();
            if (made != null) {
                return Optional.of(made);
            }
            why = "returned null from configure";
        } catch (Throwable e) { // errors too: a missing class or too deep a recursion is the jar's, not ours
            why = "failed to read its settings: " + oneLine(e);
        }
        // It did not come to ask for them all, so nothing can be said about them.
        if (node.written() instanceof ConfigObject written) {
            written.keySet().forEach(settings::section);
        }
        settings.problem(key, type, "is \"" + type + "\", whose factory " + who(factory) + " " + why);
        return Optional.empty();
    }
}
