"""Draws frames with moderngl on EGL: what stands still once, supersampled, into layers; each frame only what moves."""

from __future__ import annotations

import math
from operator import itemgetter
from typing import TYPE_CHECKING

import cv2
import moderngl
import numpy as np

from . import shaders
from .camera import Camera
from .mesh import Array, Lamp, Vertices, rotation_z
from .vehicles import model
from .world import World, signal_head_mesh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .light import Light
    from .pose import Actor, FrameLook, Picture

SHADOW_PX = 4096
MOVING_SHADOW_PX = 1024
SHADOW_HALF_M = 60.0
MOVING_HALF_M = 42.0
MOST_POSTS = 8
FARTHEST_M = 130.0


VARIED = ("static", "moving", "mirror", "compose", "sky")
PROGRAMS = {
    "static": (shaders.SURFACE_VERTEX, shaders.COMMON + shaders.STATIC_FRAGMENT),
    "moving": (shaders.SURFACE_VERTEX, shaders.COMMON + shaders.MOVING_FRAGMENT),
    "mirror": (shaders.SURFACE_VERTEX, shaders.COMMON + shaders.MOVING_FRAGMENT),
    "sky": (shaders.SKY_VERTEX, shaders.COMMON + shaders.SKY_FRAGMENT),
    "compose": (shaders.FULL_VERTEX, shaders.COMMON + shaders.COMPOSE_FRAGMENT),
    "resolve": (shaders.FULL_VERTEX, shaders.RESOLVE_FRAGMENT),
    "resolve_depth": (shaders.FULL_VERTEX, shaders.RESOLVE_DEPTH_FRAGMENT),
    "fill_depth": (shaders.FULL_VERTEX, shaders.DEPTH_FILL_FRAGMENT),
    "depth": (shaders.DEPTH_VERTEX, shaders.DEPTH_FRAGMENT),
    "ident": (shaders.DEPTH_VERTEX, shaders.ID_FRAGMENT),
    "contact": (shaders.GROUND_VERTEX, shaders.CONTACT_FRAGMENT),
    "beam": (shaders.GROUND_VERTEX, shaders.BEAM_FRAGMENT),
    "glow": (shaders.SPRITE_VERTEX, shaders.GLOW_FRAGMENT),
    "streak": (shaders.SPRITE_VERTEX, shaders.STREAK_FRAGMENT),
    "final": (shaders.FULL_VERTEX, shaders.FINAL_FRAGMENT),
}


def ortho(half_m: float, near_m: float, far_m: float) -> Array:
    """Orthographic clip matrix."""
    depth = far_m - near_m
    return np.array(
        [[1 / half_m, 0, 0, 0], [0, 1 / half_m, 0, 0], [0, 0, -2 / depth, -(far_m + near_m) / depth], [0, 0, 0, 1]]
    )


def sun_matrix(light: Light, centre_m: tuple[float, float, float], half_m: float) -> Array:
    """World to the shadow map's clip space."""
    direction = np.array(light.sun_direction())
    eye = np.array(centre_m) + direction * 150
    camera = Camera((float(eye[0]), float(eye[1]), float(eye[2])), centre_m, 35.0)
    return ortho(half_m, 1.0, 320.0) @ camera.view()


class Renderer:
    """Renders frames of one world through one camera in one light; reusable for others by `set_scene`."""

    def __init__(self, width_px: int = 640, height_px: int = 360, supersample: int = 2, samples: int = 4) -> None:
        self.size = (width_px, height_px)
        self.supersample = supersample
        self.ctx = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        self.ctx.depth_func = "<="
        self._smooth = samples == 0
        self._programs: dict[tuple[str, tuple[str, ...]], moderngl.Program] = {}
        self._variant: tuple[str, ...] = ()
        self._targets(samples)
        self._buffers: dict[str, tuple[moderngl.Buffer, ...]] = {}
        self._vaos: dict[tuple[str, str, tuple[str, ...]], moderngl.VertexArray] = {}
        self._quad_buffer = self.ctx.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], "f4").tobytes())
        self._world: World | None = None
        self._static_things: list[moderngl.Buffer | moderngl.VertexArray] = []
        self._static_parts: list[tuple[bool, int, moderngl.Buffer, moderngl.VertexArray]] = []
        self._static_vaos: dict[tuple[int, tuple[str, ...]], moderngl.VertexArray] = {}
        self._noise()

    def activate(self) -> None:
        """Make this renderer's context the current one; needed where several are alive."""
        self.ctx.__enter__()  # type: ignore[no-untyped-call]

    def _program(self, name: str) -> moderngl.Program:
        """The program in the variant the light needs: software rasterisers run both sides of every branch."""
        variant = self._variant if name.split(":", maxsplit=1)[0] in VARIED else ()
        key = (name, variant)
        if key not in self._programs:
            vertex, fragment = PROGRAMS[name.split(":", maxsplit=1)[0]]
            defines = "".join(f"#define {flag} 1\n" for flag in variant)
            defines += f"#define MAT {name.split(':')[1]}\n" if ":" in name else "#define MAT 0\n"
            defines += f"#define PAINTED {0 if name.startswith('static') else 1}\n" + (
                "#define MIRROR 1\n" if name == "mirror" else ""
            )
            defines += "#define SMOOTH 1\n" if self._smooth else ""
            defines += f"#define TEXEL {1.0 / SHADOW_PX:.8f}\n#define MTEXEL {1.2 / MOVING_SHADOW_PX:.8f}\n"
            head = "#version 330\n" + defines
            self._programs[key] = self.ctx.program(head + vertex, head + fragment)
        return self._programs[key]

    def _targets(self, samples: int) -> None:
        ctx, (w, h), s = self.ctx, self.size, self.supersample
        self._big = [ctx.texture((w * s, h * s), 4, dtype="f2") for _ in range(3)]
        self._big_depth = ctx.depth_texture((w * s, h * s))
        self._big_depth.compare_func = ""
        self._big_fbo = ctx.framebuffer(self._big, self._big_depth)
        self._layers = [ctx.texture((w, h), 4, dtype="f2") for _ in range(3)]
        self._layer_fbos = [ctx.framebuffer([layer]) for layer in self._layers]
        self._depth_layer = ctx.texture((w, h), 1, dtype="f4")
        self._depth_fbo = ctx.framebuffer([self._depth_layer])
        colour = ctx.renderbuffer((w, h), 4, samples=samples, dtype="f2")
        self._frame_fbo = ctx.framebuffer([colour], ctx.depth_renderbuffer((w, h), samples=samples))
        self._hdr = ctx.texture((w, h), 4, dtype="f2")
        self._hdr_fbo = ctx.framebuffer([self._hdr])
        self._out_fbo = ctx.framebuffer([ctx.renderbuffer((w, h), 4)])
        self._id_fbo = ctx.framebuffer([ctx.renderbuffer((w, h), 4)], ctx.depth_renderbuffer((w, h)))
        self._shadow = self._shadow_map(SHADOW_PX)
        self._shadow_moving = self._shadow_map(MOVING_SHADOW_PX)

    def _shadow_map(self, size: int) -> tuple[moderngl.Texture, moderngl.Framebuffer]:
        texture = self.ctx.depth_texture((size, size))
        texture.compare_func = "<="
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        return texture, self.ctx.framebuffer(depth_attachment=texture)

    def _noise(self) -> None:
        rng = np.random.default_rng(7)
        size = 512
        total = np.zeros((size, size), np.float32)
        for octave in range(1, 8):
            cells = 2**octave
            grid = rng.random((cells, cells)).astype(np.float32)
            tiled = np.pad(grid, ((2, 2), (2, 2)), mode="wrap")
            step = size // cells
            big = cv2.resize(tiled, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
            total += big[2 * step : 2 * step + size, 2 * step : 2 * step + size] / octave**0.5
        rank = np.empty(size * size, np.float32)
        rank[np.argsort(total.reshape(-1), kind="stable")] = np.linspace(0, 1, size * size, dtype=np.float32)
        smooth = 0.5 * rank.reshape(size, size) + 0.5 * (total - total.min()) / np.ptp(total)
        self._noise_texture = self.ctx.texture((size, size), 1, (smooth * 255).astype("u1").tobytes())
        self._noise_texture.build_mipmaps()

    def _array(self, kind: str, program: str) -> moderngl.VertexArray:
        """The vertex array that draws a kind of thing with a program."""
        key = (kind, program, self._variant if program in VARIED else ())
        if key not in self._vaos:
            whole, whole_index, plain, plain_index = self._mesh_buffers(kind)
            if program in ("moving", "mirror"):
                content = [(whole, "3f 3f 3f 4f", "pos", "nrm", "col", "att")]
                self._vaos[key] = self.ctx.vertex_array(self._program(program), content, whole_index)
            else:
                self._vaos[key] = self.ctx.vertex_array(self._program(program), [(plain, "3f", "pos")], plain_index)
        return self._vaos[key]

    def _mesh_buffers(self, kind: str) -> tuple[moderngl.Buffer, ...]:
        """Buffers of a kind: all columns and their index, places only and their index."""
        if kind not in self._buffers:
            mesh = signal_head_mesh() if kind == "signal" else model(kind).mesh
            self._buffers[kind] = (*self._indexed(mesh), *self._indexed(mesh[:, :3]))
        return self._buffers[kind]

    def _indexed(self, rows: Vertices) -> tuple[moderngl.Buffer, moderngl.Buffer]:
        distinct, index = np.unique(rows, axis=0, return_inverse=True)
        return self.ctx.buffer(distinct.tobytes()), self.ctx.buffer(index.reshape(-1).astype("i4").tobytes())

    def _full(self, name: str) -> moderngl.VertexArray:
        key = ("", name, self._variant if name in VARIED else ())
        if key not in self._vaos:
            self._vaos[key] = self.ctx.vertex_array(self._program(name), [(self._quad_buffer, "2f", "xy")])
        return self._vaos[key]

    def _set(self, name: str, **values: object) -> None:
        program = self._program(name)
        for key, value in values.items():
            if key not in program:
                continue
            uniform = program[key]
            assert isinstance(uniform, moderngl.Uniform)
            if isinstance(value, np.ndarray) and value.shape == (4, 4):
                uniform.write(value.T.astype("f4").tobytes())
            elif isinstance(value, np.ndarray):
                uniform.write(value.astype("f4").tobytes())
            else:
                uniform.value = value

    def set_world(self, world: World) -> None:
        """Load a world's triangles; call `set_view` next."""
        for thing in self._static_things:
            thing.release()
        self._world, self._static_things, self._static_parts, self._static_vaos = world, [], [], {}
        for crowns, mesh in ((False, world.mesh), (True, world.crowns)):
            materials = mesh[::3, 11].astype(int)
            for material in np.unique(materials):
                rows = np.repeat(materials == material, 3)
                part = np.ascontiguousarray(mesh[rows])
                buffer, plain = (
                    self.ctx.buffer(part.tobytes()),
                    self.ctx.buffer(np.ascontiguousarray(part[:, :3]).tobytes()),
                )
                depth = self.ctx.vertex_array(self._program("depth"), [(plain, "3f", "pos")])
                self._static_things += [buffer, plain, depth]
                self._static_parts.append((crowns, int(material), buffer, depth))

    @property
    def world_seed(self) -> int | None:
        """The seed of the world loaded, if any."""
        return None if self._world is None else self._world.layout.seed

    def _static_array(self, index: int) -> moderngl.VertexArray:
        _, material, buffer, _ = self._static_parts[index]
        key = (index, self._variant)
        if key not in self._static_vaos:
            array = self.ctx.vertex_array(
                self._program(f"static:{material}"), [(buffer, "3f 3f 3f 4f", "pos", "nrm", "col", "att")]
            )
            self._static_vaos[key] = array
            self._static_things.append(array)
        return self._static_vaos[key]

    def set_view(self, camera: Camera, light: Light, swaying: bool = False) -> None:
        """Render the static layers for a camera and a light; `swaying` crowns cast shadows anew each frame."""
        assert self._world is not None
        self.camera, self.light, self.swaying = camera, light, swaying
        self._vp, self._ivp = camera.matrix(), np.linalg.inv(camera.matrix())
        self._l = sun_matrix(light, (2.0, 8.0, 0.0), SHADOW_HALF_M)
        self._lm = sun_matrix(light, (2.0, 4.0, 0.0), MOVING_HALF_M)
        flags = {
            "SUN": self.has_sun,
            "STREET": light.street > 0,
            "WET": light.wet > 0,
            "CLOUDY": light.cloud_shadow > 0,
        }
        self._variant = tuple(flag for flag, on in flags.items() if on)
        self._common()
        self._render_static_shadow()
        self._render_static()

    @property
    def has_sun(self) -> bool:
        """Whether there is any direct sunlight to cast shadows."""
        return max(self.light.sun) > 0.2

    def _common(self) -> None:
        light, world = self.light, self._world
        assert world is not None
        near = sorted(world.street_lamps, key=lambda p: p[0] ** 2 + (p[1] - 5) ** 2)[:MOST_POSTS]
        posts = np.array([*near, *[(0.0, 0.0, 1000.0)] * (MOST_POSTS - len(near))], "f4")
        layout = world.layout
        names = [
            *(name for name in PROGRAMS if name != "static"),
            *(f"static:{m}" for m in sorted({part[1] for part in self._static_parts})),
        ]
        for name in names:
            self._set(
                name,
                sun=light.sun_direction(),
                sunc=light.sun,
                zenith=light.zenith,
                horizon=light.horizon,
                fogc=light.fog,
                streetc=light.street_colour,
                eye=self.camera.eye_m,
                ambient=light.ambient,
                clouds=light.clouds,
                fogd=light.fog_per_m,
                wet=light.wet,
                street=light.street,
                posts=posts,
                noise_tex=0,
                shadow_static=1,
                shadow_moving=2,
                t_ambient=3,
                t_direct=4,
                t_albedo=5,
                t_depth=6,
                VP=self._vp,
                IVP=self._ivp,
                L=self._l,
                LM=self._lm,
                lane_m=layout.lane_m,
                lane_span=(layout.median_m / 2, layout.left_m),
                V=self.camera.view(),
                P=self.camera.projection(),
                cloud_shadow=light.cloud_shadow,
                exposure=light.exposure,
                vignette=0.16,
                cloud_dim=1.0,
                sway=(0.0, 0.0),
            )
        self._noise_texture.use(0)
        self._shadow[0].use(1)
        self._shadow_moving[0].use(2)

    def _render_static_shadow(self) -> None:
        _texture, fbo = self._shadow
        fbo.use()
        fbo.clear(depth=1.0)
        if not self.has_sun:
            return
        self.ctx.enable_only(moderngl.DEPTH_TEST)
        self._set("depth", VP=self._l, M=np.eye(4))
        for crowns, _, _, depth in self._static_parts:
            if not (crowns and self.swaying):
                depth.render()

    def _render_static(self) -> None:
        self._big_fbo.use()
        self._big_fbo.clear(depth=1.0)
        self.ctx.enable_only(moderngl.NOTHING)
        self._full("sky").render(moderngl.TRIANGLE_STRIP)
        self.ctx.enable_only(moderngl.DEPTH_TEST)
        self._set("depth", VP=self._vp, M=np.eye(4))
        for _, _, _, depth in self._static_parts:
            depth.render()
        glow = np.zeros(8)
        glow[Lamp.STREET] = 1.0 if self.light.street > 0 else 0.0
        for index, (_, material, _, _) in enumerate(self._static_parts):
            self._set(f"static:{material}", M=np.eye(4), lamps=glow)
            self._static_array(index).render()
        self.ctx.enable_only(moderngl.NOTHING)
        for texture, fbo in zip(self._big, self._layer_fbos, strict=True):
            texture.use(7)
            fbo.use()
            self._set("resolve", src=7, factor=self.supersample, ceiling=3.0)
            self._full("resolve").render(moderngl.TRIANGLE_STRIP)
        self._big_depth.use(7)
        self._depth_fbo.use()
        self._set("resolve_depth", src=7, factor=self.supersample)
        self._full("resolve_depth").render(moderngl.TRIANGLE_STRIP)
        for unit, texture in ((3, self._layers[0]), (4, self._layers[1]), (5, self._layers[2]), (6, self._depth_layer)):
            texture.use(unit)

    def frame(self, actors: Sequence[Actor], look: FrameLook) -> Picture:
        """One picture, shape (height, width, 3), RGB."""
        eye = self.camera.eye_m
        near = [(math.hypot(actor.x_m - eye[0], actor.y_m - eye[1]), actor) for actor in actors]
        actors = [actor for distance, actor in sorted(near, key=itemgetter(0)) if distance < FARTHEST_M]
        matrices = [actor.matrix() for actor in actors]
        if self.has_sun:
            self._draw_moving_shadows(actors, matrices, look)
        ctx = self.ctx
        self._frame_fbo.use()
        ctx.enable_only(moderngl.DEPTH_TEST)
        ctx.depth_func = "1"
        self._set("compose", cloud_at=look.cloud_at)
        self._full("compose").render(moderngl.TRIANGLE_STRIP)
        ctx.depth_func = "<="
        seen = [self._in_view(actor) for actor in actors]
        self._draw_on_ground(actors, matrices, seen)
        if self.light.wet > 0.3:
            self._draw_reflections(actors, matrices, look)
        ctx.enable_only(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        for actor, matrix, shows in zip(actors, matrices, seen, strict=True):
            if shows:
                self._draw(actor, matrix)
        ctx.disable(moderngl.CULL_FACE)
        self._draw_heads(look)
        self._draw_glows(actors, matrices, look)
        return self._finish()

    def _draw_moving_shadows(self, actors: Sequence[Actor], matrices: Sequence[Array], look: FrameLook) -> None:
        _, fbo = self._shadow_moving
        fbo.use()
        fbo.clear(depth=1.0)
        self.ctx.enable_only(moderngl.DEPTH_TEST)
        self._set("depth", VP=self._lm)
        for actor, matrix in zip(actors, matrices, strict=True):
            if abs(actor.x_m) < 45 and abs(actor.y_m - 4) < 55:
                self._set("depth", M=matrix)
                self._array(actor.kind, "depth").render()
        if self.swaying:
            self._set("depth", M=np.eye(4), sway=look.sway)
            for crowns, _, _, depth in self._static_parts:
                if crowns:
                    depth.render()
            self._set("depth", sway=(0.0, 0.0))

    def _draw_on_ground(self, actors: Sequence[Actor], matrices: Sequence[Array], seen: Sequence[bool]) -> None:
        ctx = self.ctx
        ctx.enable(moderngl.BLEND)
        self._frame_fbo.depth_mask = False
        ctx.blend_func = moderngl.ZERO, moderngl.SRC_COLOR
        for actor, matrix in (
            pair for pair, shows in zip(zip(actors, matrices, strict=True), seen, strict=True) if shows
        ):
            thing = model(actor.kind)
            length, half = thing.length_m, thing.width_m / 2 + 0.7
            self._set(
                "contact",
                M=matrix,
                lift=0.02,
                span=(-length - 0.9, -half, 0.9, half),
                body=(length, thing.width_m - 0.3, 0.0),
                depth=0.72 if thing.length_m > 1 else 0.4,
            )
            self._full("contact").render(moderngl.TRIANGLE_STRIP)
        if self.light.vehicle_lamps > 0.3 and self.light.street > 0:
            ctx.blend_func = moderngl.ONE, moderngl.ONE
            for actor, matrix in zip(actors, matrices, strict=True):
                if actor.lamps_on and any(p.lamp == Lamp.HEAD for p in model(actor.kind).lamps):
                    power = 1.5 if model(actor.kind).label != "bicycle" else 0.2
                    self._set(
                        "beam", M=matrix, lift=0.03, span=(0.2, -8.0, 38.0, 8.0), power=power * self.light.vehicle_lamps
                    )
                    self._full("beam").render(moderngl.TRIANGLE_STRIP)
        self._frame_fbo.depth_mask = True

    def _draw_reflections(self, actors: Sequence[Actor], matrices: Sequence[Array], look: FrameLook) -> None:
        ctx = self.ctx
        ctx.enable_only(moderngl.BLEND)
        ctx.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
        flip = np.diag([1.0, 1.0, -1.0, 1.0])
        eye = np.array(self.camera.eye_m[:2])
        order = sorted(
            range(len(actors)), key=lambda i: -float(np.hypot(*(np.array([actors[i].x_m, actors[i].y_m]) - eye)))
        )
        ctx.enable(moderngl.CULL_FACE)
        ctx.front_face = "cw"
        for i in order:
            if self._in_view(actors[i]):
                self._draw(actors[i], flip @ matrices[i], "mirror")
        ctx.front_face = "ccw"
        ctx.disable(moderngl.CULL_FACE)
        ctx.blend_func = moderngl.ONE, moderngl.ONE
        for place, colour, power, _ in self._light_points(actors, matrices, look):
            under = (place[0], place[1], -place[2])
            size = (0.10 + 0.02 * power, 0.55 + 0.18 * place[2] + 0.25 * power)
            strength = tuple(c * power * self.light.wet * 0.55 for c in colour)
            self._set("streak", place=under, size=size, nearer=0.0, colour=strength)
            self._full("streak").render(moderngl.TRIANGLE_STRIP)

    def _draw(self, actor: Actor, matrix: Array, program: str = "moving") -> None:
        levels = np.zeros(8)
        on = self.light.vehicle_lamps if actor.lamps_on else 0.0
        levels[Lamp.HEAD] = 9.0 * on
        levels[Lamp.TAIL] = 2.2 * on
        levels[Lamp.BRAKE] = 9.0 if actor.braking else 1.2 * on
        self._set(program, M=matrix, paint1=actor.paint, paint2=actor.paint_2, lamps=levels)
        self._array(actor.kind, program).render()

    def _in_view(self, actor: Actor) -> bool:
        """Whether the actor may show in the picture: a sphere about it against the view's sides."""
        length = model(actor.kind).length_m
        back = np.array(
            [
                actor.x_m - np.cos(actor.heading_rad) * length / 2,
                actor.y_m - np.sin(actor.heading_rad) * length / 2,
                1.2,
            ]
        )
        x, y, _, w = self._vp @ np.array([*back, 1.0])
        reach = (length / 2 + 1.5) * self.camera.focal_mm / 18.0 * 1.3
        return bool(w > -length and abs(x) < w + reach and abs(y) < w + reach * 2)

    def _draw_heads(self, look: FrameLook) -> None:
        assert self._world is not None
        for head in self._world.heads:
            matrix = np.eye(4)
            matrix[:3, :3] = rotation_z(head.facing_rad)
            matrix[:3, 3] = head.place_m
            levels = np.zeros(8)
            shown = look.shown(head.group)
            for letter, lamp in (("r", Lamp.RED), ("a", Lamp.AMBER), ("g", Lamp.GREEN)):
                levels[lamp] = (24.0 if self.light.street <= 0.1 else 12.0) if letter in shown else 0.0
            self._set("moving", M=matrix, lamps=levels)
            self._array("signal", "moving").render()

    def _light_points(
        self, actors: Sequence[Actor], matrices: Sequence[Array], look: FrameLook
    ) -> list[tuple[tuple[float, float, float], tuple[float, float, float], float, float]]:
        """Places, colours, powers and radii of the lamps that glow towards the camera."""
        out = []
        eye = np.array(self.camera.eye_m)
        for actor, matrix in zip(actors, matrices, strict=True):
            for point in model(actor.kind).lamps:
                place = (matrix @ np.array([*point.place, 1.0]))[:3]
                towards = eye - place
                facing = float(matrix[:3, 0] @ towards) * point.along / max(float(np.linalg.norm(towards)), 1e-6)
                on = self.light.vehicle_lamps if actor.lamps_on else 0.0
                if facing < 0.05:
                    continue
                if point.lamp == Lamp.HEAD and on > 0.2:
                    out.append((tuple(place), (1.0, 0.93, 0.80), 2.4 * on * facing**2, 1.5))
                elif point.lamp == Lamp.TAIL and (on > 0.2 or actor.braking):
                    power = 0.9 * on + (1.3 if actor.braking else 0.0)
                    out.append((tuple(place), (1.0, 0.05, 0.03), power * facing, 0.65))
        return out + self._head_points(look)

    def _head_points(
        self, look: FrameLook
    ) -> list[tuple[tuple[float, float, float], tuple[float, float, float], float, float]]:
        assert self._world is not None
        out = []
        eye = np.array(self.camera.eye_m)
        hues = {"r": ((1.0, 0.06, 0.03), 0.32), "a": ((1.0, 0.5, 0.04), 0.0), "g": ((0.06, 1.0, 0.45), -0.32)}
        for head in self._world.heads:
            towards = np.array([np.cos(head.facing_rad), np.sin(head.facing_rad), 0.0])
            offset = eye - np.array(head.place_m)
            facing = float(towards @ offset) / float(np.linalg.norm(offset))
            if facing < 0.2:
                continue
            for letter in look.shown(head.group):
                hue, dz = hues[letter]
                place = np.array(head.place_m) + towards * 0.2 + np.array([0, 0, dz])
                out.append((tuple(place), hue, 1.3 * facing, 0.9))
        return out

    def _draw_glows(self, actors: Sequence[Actor], matrices: Sequence[Array], look: FrameLook) -> None:
        ctx, light = self.ctx, self.light
        dim = min(1.0, 0.08 + light.street + 0.25 * light.vehicle_lamps + 12 * light.fog_per_m)
        ctx.enable(moderngl.BLEND)
        ctx.blend_func = moderngl.ONE, moderngl.ONE
        self._frame_fbo.depth_mask = False
        for place, colour, power, radius in self._light_points(actors, matrices, look):
            distance = float(np.linalg.norm(np.array(self.camera.eye_m) - np.array(place)))
            fade = float(np.exp(-distance * light.fog_per_m))
            grow = radius * (1.0 + 25 * light.fog_per_m) * (0.5 + distance / 50)
            self._set(
                "glow", place=place, size=(grow, grow), nearer=0.5, colour=tuple(c * power * dim * fade for c in colour)
            )
            self._full("glow").render(moderngl.TRIANGLE_STRIP)
        self._frame_fbo.depth_mask = True

    def _finish(self) -> Picture:
        self.ctx.copy_framebuffer(self._hdr_fbo, self._frame_fbo)
        self.ctx.enable_only(moderngl.NOTHING)
        self._hdr.use(7)
        self._out_fbo.use()
        self._set("final", src=7)
        self._full("final").render(moderngl.TRIANGLE_STRIP)
        w, h = self.size
        raw = np.frombuffer(self._out_fbo.read(components=3, alignment=1), np.uint8)
        return raw.reshape(h, w, 3)[::-1]

    def mask(self, actors: Sequence[Actor]) -> Picture:
        """Which actor each pixel shows, shape (height, width): 1 + its index, 0 for the static world."""
        self._id_fbo.use()
        self.ctx.enable_only(moderngl.DEPTH_TEST)
        self.ctx.depth_func = "1"
        self._full("fill_depth").render(moderngl.TRIANGLE_STRIP)
        self.ctx.depth_func = "<="
        self._set("ident", VP=self._vp)
        for index, actor in enumerate(actors[:254]):
            self._set("ident", M=actor.matrix(), ident=float(index + 1))
            self._array(actor.kind, "ident").render()
        w, h = self.size
        raw = np.frombuffer(self._id_fbo.read(components=1, alignment=1), np.uint8)
        return raw.reshape(h, w)[::-1]
